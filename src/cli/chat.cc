// `pelton chat`: a conversation in the terminal, or through a pipe.
#include <fmt/format.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/grammar_options.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/message_reader.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/sampling_options.h"
#include "text/utf8.h"

namespace pelton::cli {
namespace {

// Where the model's makers recommend nothing: varied, but not wild.
constexpr double kTemperature = 0.7;
constexpr double kTopP = 0.95;

constexpr const char* kNotes =
    "In the chat: a line that ends in \\ goes on in the next one, and so does all between \"\"\" and \"\"\". /help "
    "lists the\n"
    "commands. Ctrl-C stops the answer (what is there stays in the conversation), Ctrl-D leaves. Lines are also read "
    "from a\n"
    "pipe; --json then prints one JSON object a line for each answer, or {\"error\":…}; the exit code is 1 where a "
    "message\n"
    "got no answer. Sampling follows the model's makers where they recommend something.\n"
    "\n"
    "Examples:\n"
    "  pelton chat -m model.gguf\n"
    "  pelton chat -m model.gguf --system \"Answer in French.\" --temperature 0\n"
    "  printf 'Hi!\\nWhat did I just say?\\n' | pelton chat -m model.gguf --json\n";

struct ChatOptions {
  ModelOptions model;
  SamplingOptions sampling;
  GrammarOptions grammar;
  std::string system;
  bool allow_special_in_messages = false;
  bool as_json = false;
};

SamplingParameters recommended_sampling(const GenerationDefaults& makers) {
  SamplingParameters sampling;
  sampling.temperature = makers.temperature.value_or(kTemperature);
  sampling.top_p = makers.top_p.value_or(kTopP);
  sampling.top_k = makers.top_k.value_or(sampling.top_k);
  sampling.min_p = makers.min_p.value_or(sampling.min_p);
  sampling.repetition_penalty = makers.repetition_penalty.value_or(sampling.repetition_penalty);
  return sampling;
}

std::string without_space(std::string_view text) { return std::string(trimmed(text, " \t\r\n")); }

class Chat {
 public:
  Chat(const ChatOptions& options, LoadedModel loaded, std::shared_ptr<const Grammar> grammar,
       InterruptScope& interrupt)
      : options_(options),
        loaded_(std::move(loaded)),
        grammar_(std::move(grammar)),
        interrupt_(interrupt),
        is_interactive_(stdin_is_terminal() && stdout_is_terminal()),
        lines_(is_interactive_ ? make_terminal_reader(interrupt, cache_folder() / "chat_history", uses_colour())
                               : make_pipe_reader(interrupt)),
        sampling_(options.sampling.parameters(recommended_sampling(loaded_.bundle->generation))) {
    conversation_.set_system(options.system);
  }

  // Until the input ends, /exit, or SIGTERM; gives the exit code.
  int talk() {
    if (is_interactive_) note(fmt::format("{}: /help lists the commands, Ctrl-D leaves.", loaded_.bundle->name));
    while (!is_leaving_) {
      const InputLine message = read_message(*lines_);
      if (message.kind == InputLine::Kind::kEnd) break;
      if (message.kind == InputLine::Kind::kInterrupted) {
        if (interrupt_.signal() == SIGTERM || !is_interactive_) return InterruptScope::exit_code(interrupt_.signal());
        interrupt_.clear();
        note("(Ctrl-D or /exit leaves)");
      } else if (find_invalid_utf8(message.text)) {
        refuse(Error(ErrorCode::kInvalidArgument, "what you wrote is not valid UTF-8"));
      } else if (message.text.starts_with('/')) {
        obey(message.text);
      } else if (!without_space(message.text).empty()) {
        reply(message.text);
        if (interrupt_.signal() == SIGTERM) return InterruptScope::exit_code(SIGTERM);
        interrupt_.clear();
      }
    }
    if (is_interactive_ && !is_leaving_) print_text("\n");  // after the Ctrl-D
    return has_failed_ && !is_interactive_ ? 1 : 0;         // at a terminal, somebody has seen it
  }

 private:
  struct SlashCommand {
    std::string_view name;
    std::string_view argument;
    std::string_view help;
    void (Chat::*obey)(const std::string& argument);
  };
  static std::span<const SlashCommand> slash_commands();

  void obey(const std::string& line) {
    const size_t space = line.find_first_of(" \t\n");
    const std::string name = line.substr(0, space);
    const std::string argument = space == std::string::npos ? "" : without_space(line.substr(space));
    for (const SlashCommand& command : slash_commands()) {
      if (command.name != name) continue;
      try {
        (this->*command.obey)(argument);
      } catch (const Error& error) {  // the conversation goes on
        note(fmt::format("{}: {}", name, error.message()));
      }
      return;
    }
    note(fmt::format("There is no command {}. (A message that starts with / needs a space before it.)", name));
    help({});
  }

  void help(const std::string&) {
    for (const SlashCommand& command : slash_commands()) {
      note(fmt::format("  {:<14} {}", fmt::format("{} {}", command.name, command.argument), command.help));
    }
  }

  void system(const std::string& text) {
    conversation_.set_system(text);
    note(text.empty() ? "The system message is gone." : "From the next message on, that is the system message.");
  }

  void reset(const std::string&) {
    conversation_.messages.clear();
    conversation_.set_system(options_.system);
    note("The conversation starts anew.");
  }

  void save(const std::string& path) {
    if (path.empty()) throw Error(ErrorCode::kInvalidArgument, "which file? As in /save chat.json");
    replace_file(path, to_json_text(json::object{{"messages", conversation_.messages}}) + "\n");
    const size_t count = conversation_.messages.size();
    note(fmt::format("Saved {} message{} to {}; `pelton run --messages` reads the file.", count, count == 1 ? "" : "s",
                     path));
  }

  void leave(const std::string&) { is_leaving_ = true; }

  // A message that gets no answer is taken back, so that the conversation stays as it was.
  void reply(const std::string& text) {
    const json::array messages_before = conversation_.messages;
    conversation_.add("user", text);
    try {
      answer();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kIo) throw;  // standard output is gone
      conversation_.messages = messages_before;
      refuse(error);
    }
  }

  void refuse(const Error& error) {
    has_failed_ = true;
    note(error.code() == ErrorCode::kContextTooLong
             ? fmt::format("{}. Your message was taken back; write a shorter one, or /reset.", error.message())
             : fmt::format("error: {} (your message was taken back)", error.message()));
    if (options_.as_json) print_json(error_to_json(error.code(), error.message()));
  }

  void answer() {
    GenerationRequest request;
    const EncodedChat chat = encode_conversation(*loaded_.bundle, conversation_, options_.allow_special_in_messages);
    request.prompt = chat.tokens;
    request.sampling = sampling_;
    options_.grammar.apply(*loaded_.bundle, chat.rendered, grammar_, request);
    const size_t prompt_token_count = request.prompt.size();
    const Answer answer = answer_request(*loaded_.engine, std::move(request), interrupt_, [&](std::string_view piece) {
      if (!options_.as_json) print_text(piece);
    });
    conversation_.add("assistant", answer.text);
    if (options_.as_json) {
      json::object report = answer_to_json(answer, *loaded_.bundle->tokenizer, prompt_token_count);
      report["timings"] = timings_to_json(answer, loaded_.load_ms);
      report["model"] = loaded_.bundle->name;
      print_json(report);
    } else if (!answer.text.ends_with('\n')) {
      print_text("\n");
    }
    explain_end(answer, static_cast<int64_t>(prompt_token_count));
  }

  void explain_end(const Answer& answer, int64_t prompt_token_count) {
    if (!answer.summary) {
      note("(stopped)");
    } else if (prompt_token_count + answer.summary->completion_tokens >= loaded_.engine->context_length()) {
      note("(the context is full: /reset, or start with a larger --context)");
    } else if (answer.summary->reason == FinishReason::kLength) {
      note("(cut off at --max-tokens)");
    }
  }

  void note(std::string_view text) {
    print_note(uses_colour() ? fmt::format("\033[2m{}\033[0m", text) : std::string(text));
  }

  const ChatOptions& options_;
  LoadedModel loaded_;
  std::shared_ptr<const Grammar> grammar_;  // of every answer; null: none
  InterruptScope& interrupt_;
  bool is_interactive_;
  std::unique_ptr<LineReader> lines_;
  SamplingParameters sampling_;
  Conversation conversation_;
  bool is_leaving_ = false;
  bool has_failed_ = false;  // a message got no answer
};

std::span<const Chat::SlashCommand> Chat::slash_commands() {
  static constexpr SlashCommand kCommands[] = {
      {"/help", "", "This list", &Chat::help},
      {"/system", "TEXT", "Set the system message; without TEXT, take it away", &Chat::system},
      {"/reset", "", "Forget the conversation", &Chat::reset},
      {"/save", "FILE", "Write the conversation as OpenAI messages", &Chat::save},
      {"/exit", "", "Leave, as Ctrl-D does", &Chat::leave},
  };
  return kCommands;
}

int chat(const ChatOptions& options) {
  // Mistakes show before the model is loaded.
  if (options.sampling.parameters(SamplingParameters{}).logprobs && !options.as_json) {
    throw Error(ErrorCode::kUsage, "--logprobs needs --json");
  }
  require_utf8(options.system, "--system");
  const std::optional<GrammarSource> grammar = options.grammar.source();
  LoadedModel loaded = load_model(options.model, options.model.engine_options());
  require_chat_template(*loaded.bundle);
  std::shared_ptr<const Grammar> compiled = compile_grammar(*loaded.engine, grammar);

  InterruptScope interrupt;
  return Chat(options, std::move(loaded), std::move(compiled), interrupt).talk();
}

}  // namespace

std::function<int()> add_chat(CLI::App& app) {
  const auto options = std::make_shared<ChatOptions>();
  app.add_option("--system", options->system, "The system message");
  app.add_flag("--allow-special-in-messages", options->allow_special_in_messages,
               "Let messages contain special tokens, with which they can forge a turn of the chat");
  app.add_flag("--json", options->as_json, "Print each answer as one line of JSON");
  options->model.add_to(app);
  options->sampling.add_to(app,
                           fmt::format("the model's recommendation, else {} with --top-p {}", kTemperature, kTopP));
  options->grammar.add_to(app);
  app.footer(kNotes);
  return [options] { return chat(*options); };
}

}  // namespace pelton::cli
