#include "server/access/api_keys.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/base64.h"
#include "base/check.h"
#include "base/error.h"

namespace pelton {
namespace {

constexpr int64_t kLimitMax = 1'000'000'000'000;
constexpr size_t kKeyBytes = 32;
constexpr size_t kHashDigits = 64;

bool is_hash(std::string_view text) {
  return text.size() == kHashDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

ApiKey read_key(const JsonReader& reader) {
  reader.refuse_others({"name", "sha256", "models", "requests_per_minute", "tokens_per_minute"});
  ApiKey key;
  key.name = reader.string("name").value_or("");
  if (key.name.empty()) reader.fail("name", "a name");
  key.sha256 = reader.string("sha256").value_or("");
  if (!is_hash(key.sha256)) reader.fail("sha256", "64 hexadecimal digits in lower case");
  if (const json::array* models = reader.array("models")) {
    if (models->empty()) reader.fail("models", "at least one model, or no such field for all");
    for (const json::value& model : *models) {
      if (!model.is_string()) reader.fail("models", "an array of names");
      key.models.emplace_back(model.get_string());
    }
  }
  key.requests_per_minute = reader.integer("requests_per_minute", 1, kLimitMax);
  key.tokens_per_minute = reader.integer("tokens_per_minute", 1, kLimitMax);
  return key;
}

}  // namespace

std::vector<ApiKey> parse_api_keys(std::string_view text) {
  const json::value parsed = parse_json(text, "the file of keys");
  const JsonReader reader = JsonReader::of(parsed, "");
  reader.refuse_others({"keys"});
  const json::array* array = reader.array("keys");
  if (array == nullptr) reader.fail("keys", "an array");
  std::vector<ApiKey> keys;
  std::set<std::string> seen;
  for (size_t i = 0; i < array->size(); ++i) {
    const JsonReader element = JsonReader::of((*array)[i], fmt::format("keys[{}]", i));
    keys.push_back(read_key(element));
    if (!seen.insert("name " + keys.back().name).second) element.fail("name", "a name that no other key has");
    if (!seen.insert("hash " + keys.back().sha256).second) element.fail("sha256", "a hash that no other key has");
  }
  return keys;
}

json::object api_keys_to_json(const std::vector<ApiKey>& keys) {
  json::array array;
  for (const ApiKey& key : keys) {
    json::object object = {{"name", key.name}, {"sha256", key.sha256}};
    if (!key.models.empty()) object["models"] = json::value_from(key.models);
    if (key.requests_per_minute) object["requests_per_minute"] = *key.requests_per_minute;
    if (key.tokens_per_minute) object["tokens_per_minute"] = *key.tokens_per_minute;
    array.push_back(std::move(object));
  }
  json::object object;
  object["keys"] = std::move(array);
  return object;
}

std::string make_api_key() {
  std::array<unsigned char, kKeyBytes> bytes{};
  CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
  std::string key = to_base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  while (key.ends_with('=')) key.pop_back();
  std::replace(key.begin(), key.end(), '+', '-');
  std::replace(key.begin(), key.end(), '/', '_');
  return "pelton-" + key;
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace pelton
