#include "server/openapi.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "base/version.h"
#include "server/http/http_error.h"
#include "server/route_table.h"

namespace pelton {
namespace {

// "post_v1_chat_completions": names for generated clients.
std::string operation_id(const Route& route) {
  std::string id = std::string(route.method) + std::string(route.path);
  for (char& c : id) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0
            ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
            : '_';
  }
  return id;
}

json::object of_type(const char* type) { return {{"type", type}}; }

json::object content(std::string_view type, json::value schema) {
  json::object entry;
  entry["schema"] = std::move(schema);
  json::object content;
  content[type] = std::move(entry);
  return content;
}

json::object error_response(std::string_view path) {
  const bool is_anthropic = error_form_of(path) == ErrorForm::kAnthropic;
  const char* name = is_anthropic ? "#/components/schemas/AnthropicError" : "#/components/schemas/Error";
  json::object response = {{"description", "What is wrong"}};
  response["content"] = content("application/json", json::object{{"$ref", name}});
  return response;
}

json::object responses_of(const Route& route) {
  json::object found = {{"description", "The answer"}};
  const bool is_json = route.content_type == "application/json";
  // Parameters of the type are no part of the name of a media type here.
  const std::string_view type = route.content_type.substr(0, route.content_type.find(';'));
  found["content"] = content(type, is_json ? of_type("object") : of_type("string"));
  if (route.streams) {
    for (auto& [name, entry] :
         content("text/event-stream", json::object{{"description", "Events, each of its own form"}})) {
      found.at("content").as_object()[name] = entry;
    }
  }
  json::object responses;
  responses["200"] = std::move(found);
  responses["default"] = error_response(route.path);
  return responses;
}

void add_query(json::object& operation, const json::object& schema) {
  json::value& parameters = operation["parameters"];
  if (parameters.is_null()) parameters = json::array();
  for (const auto& member : schema.at("properties").as_object()) {
    json::object parameter = {{"name", member.key()}, {"in", "query"}, {"required", false}};
    parameter["schema"] = member.value();
    parameters.as_array().push_back(std::move(parameter));
  }
}

json::object operation_of(const Route& route) {
  json::object operation = {{"operationId", operation_id(route)}, {"summary", route.summary}};
  if (const size_t brace = route.path.find('{'); brace != std::string_view::npos) {
    json::object parameter = {
        {"name", route.path.substr(brace + 1, route.path.find('}') - brace - 1)}, {"in", "path"}, {"required", true}};
    if (route.path.ends_with('}')) parameter["description"] = "May hold slashes.";
    parameter["schema"] = of_type("string");
    operation["parameters"] = json::array();
    operation.at("parameters").as_array().push_back(std::move(parameter));
  }
  if (route.query != nullptr) add_query(operation, route.query());
  if (route.body != nullptr) {
    json::object body = {{"required", true}};
    body["content"] = content(route.body_type, route.body());
    operation["requestBody"] = std::move(body);
  }
  operation["responses"] = responses_of(route);
  return operation;
}

json::object error_schema() {
  return {{"type", "object"},
          {"required", json::array{"error"}},
          {"properties",
           {{"error",
             {{"type", "object"},
              {"required", json::array{"message", "type", "param", "code"}},
              {"properties",
               {{"message", of_type("string")},
                {"type", of_type("string")},
                {"param", {{"type", {"string", "null"}}}},
                {"code", of_type("string")}}}}}}}};
}

json::object anthropic_error_schema() {
  return {{"type", "object"},
          {"required", json::array{"type", "error"}},
          {"properties",
           {{"type", {{"const", "error"}}},
            {"error",
             {{"type", "object"},
              {"required", json::array{"type", "message"}},
              {"properties", {{"type", of_type("string")}, {"message", of_type("string")}}}}}}}};
}

}  // namespace

json::object openapi_document() {
  json::object paths;
  for (const Route& route : route_table()) {
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!paths.contains(route.path)) paths[route.path] = json::object();
    paths.at(route.path).as_object()[method] = operation_of(route);
  }
  json::object document = {{"openapi", "3.1.0"}};
  document["info"] = {{"title", "Pelton"},
                      {"version", kVersion},
                      {"description",
                       "OpenAI's and Anthropic's API in front of one model. A field that is not listed is "
                       "refused by its name."}};
  document["paths"] = std::move(paths);
  document["components"] = {{"schemas", {{"Error", error_schema()}, {"AnthropicError", anthropic_error_schema()}}},
                            {"securitySchemes",
                             {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
                              {"key", {{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}}}}}};
  // Keys are asked for only where the server was given some.
  document["security"] =
      json::array{json::object{{"bearer", json::array()}}, json::object{{"key", json::array()}}, json::object()};
  return document;
}

}  // namespace pelton
