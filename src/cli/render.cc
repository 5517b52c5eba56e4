// `pelton render`: chats as a model's chat template writes them.
#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/output.h"
#include "model/bundle.h"
#include "text/chat_template.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "Each line of FILE is a chat: {\"messages\": [...]}, and if wanted \"tools\", \"add_generation_prompt\" (true), "
    "\"variables\"\n"
    "(further names that the template sees) and \"now_unix_s\" (what strftime_now says).\n"
    "\n"
    "Examples:\n"
    "  pelton render chats.jsonl -m smollm2-135m-instruct-q4_1\n"
    "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}' | pelton render - -m model.gguf --json\n"
    "  pelton render chats.jsonl --template template.jinja --bos '<s>' --eos '</s>'\n";

constexpr uint64_t kTemplateBytesMax = uint64_t{1} << 20;

struct RenderOptions {
  std::string file;
  std::optional<std::string> model, template_file;
  std::string bos, eos;
  bool as_json = false;
};

std::shared_ptr<const ChatTemplate> load_template(const RenderOptions& options) {
  if (options.template_file) {
    return ChatTemplate::parse(read_file(*options.template_file, kTemplateBytesMax), options.bos, options.eos);
  }
  if (!options.model) throw Error(ErrorCode::kUsage, "give either --model or --template");
  const std::shared_ptr<const ModelBundle> bundle = load_bundle(*options.model);
  if (bundle->chat_template == nullptr) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} has no chat template", bundle->path.string()));
  }
  return bundle->chat_template;
}

ChatTemplate::Input input_of(const std::string& line) {
  const json::value chat = parse_json(line, "a line");
  if (!chat.is_object()) throw Error(ErrorCode::kInvalidArgument, "a line is no JSON object");
  const json::object& fields = chat.get_object();
  const auto field = [&fields](std::string_view name, json::kind kind) -> const json::value* {
    const json::value* value = fields.if_contains(name);
    if (value == nullptr || value->is_null()) return nullptr;
    if (value->kind() != kind) throw Error(ErrorCode::kInvalidArgument, fmt::format("\"{}\" has another type", name));
    return value;
  };
  ChatTemplate::Input input;
  const json::value* messages = field("messages", json::kind::array);
  if (messages == nullptr) throw Error(ErrorCode::kInvalidArgument, "a line has no \"messages\"");
  input.messages = messages->get_array();
  if (const auto* tools = field("tools", json::kind::array)) input.tools = tools->get_array();
  if (const auto* variables = field("variables", json::kind::object)) input.variables = variables->get_object();
  if (const auto* now = field("now_unix_s", json::kind::int64)) input.now_unix_s = now->get_int64();
  if (const auto* prompts = field("add_generation_prompt", json::kind::bool_)) {
    input.add_generation_prompt = prompts->get_bool();
  }
  return input;
}

int render(const RenderOptions& options) {
  const std::shared_ptr<const ChatTemplate> chat_template = load_template(options);
  bool all_rendered = true;
  for_each_line(options.file, [&](const std::string& line) {
    const ChatTemplate::Input input = input_of(line);
    try {
      const std::string text = chat_template->render(input);
      options.as_json ? print_json(json::object{{"text", text}}) : print_text(text);
    } catch (const Error& error) {  // a template may refuse one chat and render the next
      all_rendered = false;
      options.as_json ? print_json(error_to_json(error.code(), error.message())) : print_note(error.message());
    }
  });
  return all_rendered ? 0 : 1;
}

}  // namespace

std::function<int()> add_render(CLI::App& app) {
  const auto options = std::make_shared<RenderOptions>();
  app.add_option("file", options->file, "Chats as JSON Lines; - is standard input")->required()->type_name("FILE");
  CLI::Option* model = app.add_option("-m,--model", options->model, "Whose template")->type_name("MODEL");
  app.add_option("--template", options->template_file, "A file of Jinja instead")->type_name("FILE")->excludes(model);
  app.add_option("--bos", options->bos, "bos_token of --template");
  app.add_option("--eos", options->eos, "eos_token of --template");
  app.add_flag("--json", options->as_json, "Print a JSON object for each chat");
  app.footer(kNotes);
  return [options] { return render(*options); };
}

}  // namespace pelton::cli
