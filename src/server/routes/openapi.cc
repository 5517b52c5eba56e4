#include "server/openapi.h"

#include "base/json_text.h"
#include "server/routes/routes.h"

namespace pelton::routes {

void openapi(const Call& call) {
  static const std::string kText = to_json_text(openapi_document());
  call.reply->respond({.body = kText});
}

}  // namespace pelton::routes
