// The API as an OpenAPI 3.1 document, made of the list of routes and the tables of fields by which bodies are read.
#pragma once

#include "base/json.h"

namespace pelton {

json::object openapi_document();

}  // namespace pelton
