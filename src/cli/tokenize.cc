// `pelton tokenize`: texts to token ids and back.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/output.h"
#include "model/tokenizer_source.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "MODEL is a model as every command takes it, or its tokenizer alone: a tokenizer.json, SentencePiece's\n"
    "tokenizer.model, or tiktoken's ranks (qwen.tiktoken, cl100k_base.tiktoken, o200k_base.tiktoken).\n"
    "Each line of --file is a JSON string or an object with \"text\"; with --decode an array of ids or an\n"
    "object with \"ids\". What is printed without --json is the ids of a text on a line, or the texts; a note says\n"
    "how many tokens there were and how quickly they came.\n"
    "\n"
    "Examples:\n"
    "  pelton tokenize -m smollm2-135m-instruct-q4_1 \"Why is the sky blue?\"\n"
    "  pelton tokenize -m tokenizer.json --file texts.jsonl --json > ids.jsonl\n"
    "  pelton tokenize -m tokenizer.json --file ids.jsonl --decode --json\n"
    "  pelton tokenize -m model.gguf --file - --count < texts.jsonl\n";

struct TokenizeOptions {
  std::string model;
  std::optional<std::string> text;
  std::string file;
  bool decodes = false;
  bool counts_only = false;
  bool adds_no_special = false;
  bool is_plain = false;
  bool as_json = false;
};

struct Totals {
  size_t text_count = 0, byte_count = 0, token_count = 0;
  std::chrono::duration<double> busy{};
};

// The value itself, or the member of an object.
const json::value& payload(const json::value& line, std::string_view member) {
  const json::object* object = line.if_object();
  if (object == nullptr) return line;
  const json::value* value = object->if_contains(member);
  if (value == nullptr) throw Error(ErrorCode::kInvalidArgument, fmt::format("a line has no \"{}\"", member));
  return *value;
}

std::string text_of_line(const std::string& line) {
  const json::value value = payload(parse_json(line, "a line"), "text");
  if (!value.is_string()) throw Error(ErrorCode::kInvalidArgument, "a line is no JSON string and has no \"text\"");
  return std::string(value.get_string());
}

std::vector<TokenId> ids_of_line(const Tokenizer& tokenizer, const std::string& line) {
  const json::value value = payload(parse_json(line, "a line"), "ids");
  if (!value.is_array()) throw Error(ErrorCode::kInvalidArgument, "a line is no array of ids and has no \"ids\"");
  std::vector<TokenId> ids;
  for (const json::value& item : value.get_array()) {
    json::error_code error;
    const auto id = item.to_number<int32_t>(error);
    if (error || id < 0 || id >= tokenizer.vocabulary_size()) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{} is no token of this vocabulary (0 to {})",
                                                           json::serialize(item), tokenizer.vocabulary_size() - 1));
    }
    ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

template <typename Work>
auto timed(Totals& totals, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  auto result = work();
  totals.busy += std::chrono::steady_clock::now() - start;
  return result;
}

void encode_one(const Tokenizer& tokenizer, const TokenizeOptions& options, const std::string& text, Totals& totals) {
  const EncodeOptions how = {.parse_special = !options.is_plain, .add_special = !options.adds_no_special};
  const std::vector<TokenId> tokens = timed(totals, [&] { return tokenizer.encode(text, how); });
  ++totals.text_count;
  totals.byte_count += text.size();
  totals.token_count += tokens.size();
  if (options.counts_only) return;
  json::array ids;
  std::string line;
  for (const TokenId token : tokens) {
    if (options.as_json) {
      ids.push_back(index_of(token));
    } else {
      line += fmt::format("{}{}", line.empty() ? "" : " ", index_of(token));
    }
  }
  if (options.as_json) {
    print_json(json::object{{"ids", std::move(ids)}});
  } else {
    print_text(line + "\n");
  }
}

void decode_one(const Tokenizer& tokenizer, const TokenizeOptions& options, const std::string& line, Totals& totals) {
  const std::vector<TokenId> tokens = ids_of_line(tokenizer, line);
  const std::string text = timed(totals, [&] { return tokenizer.decode(tokens, options.adds_no_special); });
  ++totals.text_count;
  totals.byte_count += text.size();
  totals.token_count += tokens.size();
  if (options.counts_only) return;
  if (options.as_json) {
    print_json(json::object{{"text", text}});
  } else {
    print_text(text + "\n");
  }
}

int tokenize(const TokenizeOptions& options) {
  if (options.text.has_value() != options.file.empty()) {
    throw Error(ErrorCode::kUsage, "give either a text or --file");
  }
  const std::shared_ptr<const Tokenizer> tokenizer = load_tokenizer(options.model);
  Totals totals;
  if (options.text && options.decodes) decode_one(*tokenizer, options, *options.text, totals);
  if (options.text && !options.decodes) encode_one(*tokenizer, options, *options.text, totals);
  if (!options.file.empty()) {
    for_each_line(options.file, [&](const std::string& line) {
      if (options.decodes) {
        decode_one(*tokenizer, options, line, totals);
      } else {
        encode_one(*tokenizer, options, text_of_line(line), totals);
      }
    });
  }
  const double megabytes_per_s = static_cast<double>(totals.byte_count) / 1e6 / std::max(totals.busy.count(), 1e-9);
  if (options.counts_only && options.as_json) {
    print_json(json::object{{"texts", totals.text_count},
                            {"bytes", totals.byte_count},
                            {"tokens", totals.token_count},
                            {"mb_per_s", megabytes_per_s},
                            {"encoder", tokenizer->encoder()}});
  } else if (options.counts_only) {
    print_text(fmt::format("{} tokens\n", totals.token_count));
  }
  print_note(fmt::format("{} texts, {} bytes, {} tokens, {:.1f} MB/s, encoder: {}", totals.text_count,
                         totals.byte_count, totals.token_count, megabytes_per_s, tokenizer->encoder()));
  return 0;
}

}  // namespace

std::function<int()> add_tokenize(CLI::App& app) {
  const auto options = std::make_shared<TokenizeOptions>();
  app.add_option("-m,--model", options->model, "Whose tokenizer")->required()->type_name("MODEL");
  app.add_option("text", options->text, "A text, or with --decode an array of ids")->type_name("TEXT");
  app.add_option("--file", options->file, "JSON Lines to work on; - is standard input")->type_name("FILE");
  app.add_flag("--decode", options->decodes, "Ids to text");
  app.add_flag("--count", options->counts_only, "Print the number of tokens only");
  app.add_flag("--no-special", options->adds_no_special,
               "Add no tokens around a text (BOS, EOS); with --decode, leave control tokens out");
  app.add_flag("--plain", options->is_plain, "The text of a special token is ordinary text");
  app.add_flag("--json", options->as_json, "Print a JSON object for each text");
  app.footer(kNotes);
  return [options] { return tokenize(*options); };
}

}  // namespace pelton::cli
