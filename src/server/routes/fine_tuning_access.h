// What the routes of files, jobs and their models share: whether there is finetuning here, and whose request it is.
#pragma once

#include <string>

#include "server/fine_tuning/fine_tuning.h"
#include "server/routes/routes.h"

namespace pelton::routes {

// Error HttpError 403: the server was given no folder for it; the caller's key is for some models only, as of the
// routes of adapters.
FineTuning& fine_tuning_of(const Call& call);

// The name of the caller's key; empty: nobody's in particular.
std::string owner_of(const Call& call);

// What answers with this.
Start answer_with(const Call& call, const json::object& body);

}  // namespace pelton::routes
