// `pelton run`: one prompt, one answer.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "cli/answer.h"
#include "cli/beam_options.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/grammar_options.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/sampling_options.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "Without sampling options the same prompt gives the same answer (temperature 0). Ctrl-C ends the answer, keeps "
    "what is\n"
    "there, and exits with 130. A prompt that starts with a dash goes after \"--\".\n"
    "\n"
    "--json prints one object: prompt_token_ids, token_ids, text, finish_reason (\"stop\", \"length\", "
    "\"interrupted\"),\n"
    "logprobs (with --logprobs), timings (load_ms, ttft_ms, prefill_tokens_per_second, decode_tokens_per_second), "
    "usage, model;\n"
    "with --beams cumulative_logprob and sequence_score.\n"
    "\n"
    "Examples:\n"
    "  pelton run -m model.gguf \"What is the capital of France?\"\n"
    "  git diff | pelton run -m model.gguf --system \"Write a commit message for this change.\"\n"
    "  pelton run -m model.gguf --text \"Once upon a time\" --max-tokens 50 --temperature 0.8 --seed 1\n"
    "  pelton run -m model.gguf --messages chat.json --json --logprobs 5 --beams 4\n"
    "  pelton run -m model.gguf \"Is the sky blue?\" --choice yes --choice no\n"
    "  pelton run -m model.gguf \"A person from Oslo\" --schema person.schema.json\n";

struct RunOptions {
  ModelOptions model;
  SamplingOptions sampling;
  GrammarOptions grammar;
  BeamSearchOptions beams;
  std::optional<std::string> prompt;
  std::optional<std::string> messages_path;
  std::optional<std::string> text;
  std::string system;
  bool no_parse_special = false;
  bool allow_special_in_messages = false;
  bool is_verbose = false;
  bool as_json = false;
};

// A line typed into a pipe ends with a newline that nobody meant.
std::string prompt_from_standard_input() {
  if (stdin_is_terminal()) {
    throw Error(ErrorCode::kUsage,
                "there is no prompt; give one as an argument, by --messages, by --text, or through a pipe");
  }
  std::string prompt = read_standard_input();
  if (prompt.ends_with('\n')) prompt.pop_back();
  return prompt;
}

// What can be read is read before the model is loaded: mistakes show at once.
Conversation conversation_of(const RunOptions& options) {
  Conversation conversation;
  if (options.messages_path) {
    conversation = read_conversation(*options.messages_path);
  } else {
    const std::string prompt = options.prompt ? *options.prompt : prompt_from_standard_input();
    require_utf8(prompt, "the prompt");
    conversation.add("user", prompt);
  }
  require_utf8(options.system, "--system");
  if (!options.system.empty()) conversation.set_system(options.system);
  return conversation;
}

std::vector<TokenId> encode_text(const RunOptions& options, const ModelBundle& bundle) {
  EncodeOptions encode_options;
  encode_options.parse_special = !options.no_parse_special;
  return bundle.tokenizer->encode(*options.text, encode_options);
}

json::object report_of(const Answer& answer, const LoadedModel& loaded, const std::vector<TokenId>& prompt) {
  json::array prompt_token_ids;
  for (TokenId token : prompt) prompt_token_ids.push_back(index_of(token));
  json::object report = answer_to_json(answer, *loaded.bundle->tokenizer, prompt.size());
  report["prompt_token_ids"] = std::move(prompt_token_ids);
  report["timings"] = timings_to_json(answer, loaded.load_ms);
  report["model"] = loaded.bundle->name;
  if (answer.summary && answer.summary->beam) {
    report["cumulative_logprob"] = answer.summary->beam->logprob;
    report["sequence_score"] = answer.summary->beam->score;
  }
  return report;
}

void print_timings(const json::object& report) {
  const json::object& timings = report.at("timings").as_object();
  const auto number = [](const json::value& value) {
    return value.is_double() ? fmt::format("{:.1f}", value.get_double()) : std::string("-");
  };
  print_note(
      fmt::format("loaded in {} ms; {} prompt tokens, first token after {} ms ({} tokens/s); {} tokens at {} tokens/s",
                  number(timings.at("load_ms")), report.at("prompt_token_ids").as_array().size(),
                  number(timings.at("ttft_ms")), number(timings.at("prefill_tokens_per_second")),
                  report.at("token_ids").as_array().size(), number(timings.at("decode_tokens_per_second"))));
}

int run(const RunOptions& options) {
  SamplingParameters defaults;
  defaults.temperature = 0;
  GenerationRequest request;
  request.sampling = options.sampling.parameters(defaults);
  options.beams.apply(request);
  if (request.sampling.logprobs && !options.as_json) throw Error(ErrorCode::kUsage, "--logprobs needs --json");
  const EngineOptions engine_options = options.model.engine_options();
  if (options.text) require_utf8(*options.text, "--text");
  const std::optional<GrammarSource> grammar = options.grammar.source();
  const Conversation conversation = options.text ? Conversation{} : conversation_of(options);

  const LoadedModel loaded = load_model(options.model, engine_options);
  const EncodedChat chat = options.text
                               ? EncodedChat{{}, encode_text(options, *loaded.bundle)}
                               : encode_conversation(*loaded.bundle, conversation, options.allow_special_in_messages);
  request.prompt = chat.tokens;
  options.grammar.apply(*loaded.bundle, chat.rendered, compile_grammar(*loaded.engine, grammar), request);
  const std::vector<TokenId> prompt = request.prompt;

  const InterruptScope interrupt;
  const Answer answer = answer_request(*loaded.engine, std::move(request), interrupt, [&](std::string_view piece) {
    if (!options.as_json) print_text(piece);
  });
  const json::object report = report_of(answer, loaded, prompt);
  if (options.as_json) {
    print_json(report);
  } else if (!answer.text.ends_with('\n')) {
    print_text("\n");
  }
  if (options.is_verbose) print_timings(report);
  return answer.summary ? 0 : InterruptScope::exit_code(interrupt.signal());
}

}  // namespace

std::function<int()> add_run(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  CLI::Option* prompt =
      app.add_option("prompt", options->prompt, "What to ask; read from standard input where that is a pipe");
  CLI::Option* messages =
      app.add_option("--messages", options->messages_path,
                     "A chat in OpenAI's form: a JSON array of messages, or an object with \"messages\" "
                     "and \"tools\"; - reads standard input")
          ->type_name("FILE");
  CLI::Option* text = app.add_option("--text", options->text, "Complete this text as it is, without the chat template");
  CLI::Option* system = app.add_option("--system", options->system, "The system message");
  prompt->excludes(messages)->excludes(text);
  messages->excludes(text);
  system->excludes(text);
  app.add_flag("--no-parse-special", options->no_parse_special,
               "Read <|im_start|> and the like in --text as ordinary text")
      ->needs(text);
  app.add_flag("--allow-special-in-messages", options->allow_special_in_messages,
               "Let messages contain special tokens, with which they can forge a turn of the chat")
      ->excludes(text);
  app.add_flag("--json", options->as_json, "Print one JSON object at the end");
  app.add_flag("--verbose", options->is_verbose, "Say at the end, on standard error, how fast it was");
  options->model.add_to(app);
  options->sampling.add_to(app, "0");
  options->beams.add_to(app);
  options->grammar.add_to(app);
  app.footer(kNotes);
  return [options] { return run(*options); };
}

}  // namespace pelton::cli
