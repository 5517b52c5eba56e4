#include "server/openai/chat_request.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton::openai {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ChatRequest parse(const std::string& fields) {
  return parse_chat_request(
      fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}]{}{}}})", fields.empty() ? "" : ",", fields));
}

json::array messages_of(const std::string& messages) {
  return parse_chat_request(R"({"messages":)" + messages + "}").messages;
}

// The field that is at fault, and why.
std::string parameter_of(const std::string& body) {
  try {
    parse_chat_request(body);
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr(error.parameter())) << body;
    return error.parameter().empty() ? "?" : error.parameter();
  }
  return "";
}
std::string parameter_of_field(const std::string& fields) {
  return parameter_of(fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}],{}}})", fields));
}
std::string parameter_of_message(const std::string& message) {
  return parameter_of(fmt::format(R"({{"messages":[{}]}})", message));
}

TEST(ChatRequest, ReadsEveryField) {
  const ChatRequest request = parse(R"(
      "model": "m", "max_completion_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1,
      "repetition_penalty": 1.1, "frequency_penalty": -0.5, "presence_penalty": 2, "seed": -3, "stop": ["a", "b"],
      "logprobs": true, "top_logprobs": 2, "stream": true, "stream_options": {"include_usage": true},
      "ignore_eos": true, "chat_template_kwargs": {"enable_thinking": false})");
  EXPECT_EQ(request.generation.model, "m");
  EXPECT_EQ(request.logprobs(), 2);
  EXPECT_TRUE(request.generation.streams && request.generation.includes_usage);
  EXPECT_EQ(request.template_variables, (json::object{{"enable_thinking", false}}));
  const SamplingParameters sampling = sampling_of(request.generation, {}, request.logprobs());
  EXPECT_EQ(sampling.max_tokens, 7);
  EXPECT_EQ(sampling.temperature, 0.5);
  EXPECT_EQ(sampling.top_p, 0.9);
  EXPECT_EQ(sampling.top_k, 40);
  EXPECT_EQ(sampling.min_p, 0.1);
  EXPECT_EQ(sampling.repetition_penalty, 1.1);
  EXPECT_EQ(sampling.frequency_penalty, -0.5);
  EXPECT_EQ(sampling.presence_penalty, 2);
  EXPECT_EQ(sampling.seed, static_cast<uint64_t>(-3));
  EXPECT_THAT(sampling.stops, ElementsAre("a", "b"));
  EXPECT_EQ(sampling.logprobs, 2);
  EXPECT_TRUE(sampling.ignores_end_tokens);
}

TEST(ChatRequest, ReadsWhatOtherServersTakeBesideOpenAi) {
  const ChatRequest request = parse(R"(
      "min_tokens": 3, "stop_token_ids": [5, 6], "logit_bias": {"7": -100, "8": 0.5}, "allowed_token_ids": [1, 2],
      "banned_token_ids": [3], "typical_p": 0.8, "top_n_sigma": 1.5, "xtc_probability": 0.5, "xtc_threshold": 0.2,
      "dry_multiplier": 0.8, "dry_base": 2, "dry_allowed_length": 3, "dry_penalty_last_n": 64,
      "dry_sequence_breakers": ["\n"], "mirostat": 2, "mirostat_tau": 4, "mirostat_eta": 0.2)");
  const SamplingParameters sampling = sampling_of(request.generation, {}, std::nullopt);
  EXPECT_EQ(sampling.min_tokens, 3);
  EXPECT_THAT(sampling.stop_tokens, ElementsAre(TokenId{5}, TokenId{6}));
  EXPECT_THAT(sampling.logit_bias, ElementsAre(LogitBias{TokenId{7}, -100}, LogitBias{TokenId{8}, 0.5}));
  EXPECT_THAT(sampling.allowed_tokens, ElementsAre(TokenId{1}, TokenId{2}));
  EXPECT_THAT(sampling.banned_tokens, ElementsAre(TokenId{3}));
  EXPECT_EQ(sampling.typical_p, 0.8);
  EXPECT_EQ(sampling.top_n_sigma, 1.5);
  EXPECT_EQ(sampling.xtc_probability, 0.5);
  EXPECT_EQ(sampling.xtc_threshold, 0.2);
  EXPECT_EQ(sampling.dry.multiplier, 0.8);
  EXPECT_EQ(sampling.dry.base, 2);
  EXPECT_EQ(sampling.dry.allowed_length, 3);
  EXPECT_EQ(sampling.dry.range, 64);
  EXPECT_THAT(sampling.dry.breakers, ElementsAre("\n"));
  ASSERT_TRUE(sampling.mirostat.has_value());
  EXPECT_EQ(sampling.mirostat->target_bits, 4);
  EXPECT_EQ(sampling.mirostat->learning_rate, 0.2);
  // Off, as llama.cpp's clients write it.
  const ChatRequest off = parse(R"("top_n_sigma": -1, "mirostat": 0, "mirostat_tau": 5, "logit_bias": null)");
  EXPECT_EQ(sampling_of(off.generation, {}, std::nullopt).top_n_sigma, 0);
  EXPECT_FALSE(sampling_of(off.generation, {}, std::nullopt).mirostat.has_value());
}

TEST(ChatRequest, RequestBeforeModelBeforeOpenAi) {
  const GenerationDefaults recommended{.temperature = 0.2, .top_p = 0.8};
  const SamplingParameters asked = sampling_of(parse(R"("temperature": 0)").generation, recommended, std::nullopt);
  EXPECT_EQ(asked.temperature, 0);
  EXPECT_EQ(asked.top_p, 0.8);
  const SamplingParameters neutral = sampling_of(parse("").generation, {}, std::nullopt);
  EXPECT_EQ(neutral.temperature, 1);
  EXPECT_EQ(neutral.top_p, 1);
  EXPECT_EQ(neutral.top_k, 0);
  EXPECT_EQ(neutral.max_tokens, std::nullopt);
  EXPECT_EQ(neutral.seed, std::nullopt);
  EXPECT_EQ(neutral.logprobs, std::nullopt);
}

TEST(ChatRequest, SaysHowItIsScheduled) {
  const ChatRequest request =
      parse(R"("priority": "batch", "user": "me", "cache_salt": "tenant", "deadline_ms": 250, "n": 3)");
  const GenerationRequest generation = generation_request(request.generation, {TokenId{1}}, {});
  EXPECT_EQ(generation.priority, Priority::kBatch);
  EXPECT_EQ(generation.client, "me");
  EXPECT_EQ(generation.cache_salt, "tenant");
  EXPECT_EQ(generation.deadline, std::chrono::milliseconds(250));
  EXPECT_EQ(request.generation.choice_count, 3);
  EXPECT_EQ(generation_request(parse("").generation, {TokenId{1}}, {}).priority, Priority::kNormal);
}

TEST(ChatRequest, AsksForBeamsByTheNamesOfOthers) {
  const auto beams = [](const char* fields) { return beams_of(parse(fields).generation); };
  EXPECT_FALSE(
      beams(R"("n": 4, "use_beam_search": false, "num_beams": 1, "length_penalty": 1, "early_stopping": false)"));
  const auto vllm = beams(R"("n": 4, "use_beam_search": true, "length_penalty": 0.5)");
  ASSERT_TRUE(vllm);
  EXPECT_EQ(vllm->width, 4);
  EXPECT_EQ(vllm->length_penalty, 0.5);
  EXPECT_EQ(vllm->early_stopping, EarlyStopping::kHeuristic);
  const auto transformers = beams(R"("num_beams": 5, "n": 2, "early_stopping": "never")");
  ASSERT_TRUE(transformers);
  EXPECT_EQ(transformers->width, 5);
  EXPECT_EQ(transformers->length_penalty, 1);
  EXPECT_EQ(transformers->early_stopping, EarlyStopping::kNever);
  EXPECT_EQ(beams(R"("num_beams": 2, "early_stopping": true)")->early_stopping, EarlyStopping::kWhenFull);
  // What the model's makers recommend is for sampling.
  const GenerationDefaults recommended{.temperature = 0.2, .top_p = 0.8};
  EXPECT_EQ(sampling_of(parse(R"("num_beams": 2)").generation, recommended, std::nullopt).top_p, 1);
  EXPECT_EQ(generation_request(parse(R"("num_beams": 3)").generation, {TokenId{1}}, {}).beams->width, 3);
}

TEST(ChatRequest, AcceptsWhatChangesNothing) {
  EXPECT_NO_THROW(parse(R"(
      "n": 1, "logit_bias": {}, "tools": [], "tool_choice": "none", "functions": [], "function_call": "auto",
      "response_format": {"type": "text"}, "modalities": ["text"], "reasoning_effort": null, "verbosity": "medium",
      "store": false, "service_tier": "auto", "metadata": {"a": "b"}, "user": "u", "safety_identifier": "s",
      "prompt_cache_key": "k", "parallel_tool_calls": true, "audio": null, "stop": null, "temperature": null,
      "top_k": -1, "stream_options": null)"));
}

TEST(ChatRequest, ReadsTheFormOfTheAnswerUnderEachOfItsNames) {
  const std::string schema = R"({"type":"object","properties":{"b":{"type":"null"},"a":true}})";
  const auto source_of = [](const std::string& fields) { return parse(fields).generation.grammar; };
  const GrammarSource of_schema = {GrammarKind::kJsonSchema, schema};  // the order of properties stays
  EXPECT_EQ(source_of(R"("response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true,
                         "schema": )" +
                      schema + "}}"),
            of_schema);
  EXPECT_EQ(source_of(R"("structured_outputs": {"json": )" + schema + "}"), of_schema);
  EXPECT_EQ(source_of(R"("guided_json": )" + schema), of_schema);
  EXPECT_EQ(source_of(R"("guided_json": "{}")"), (GrammarSource{GrammarKind::kJsonSchema, "{}"}));
  EXPECT_EQ(source_of(R"("response_format": {"type": "json_object"})"), GrammarSource::json_object());
  EXPECT_EQ(source_of(R"("guided_regex": "a+")"), (GrammarSource{GrammarKind::kRegex, "a+"}));
  EXPECT_EQ(source_of(R"("structured_outputs": {"choice": ["a", "b"]})"), GrammarSource::choice({"a", "b"}));
  EXPECT_EQ(source_of(R"("guided_grammar": "root ::= \"a\"")")->kind, GrammarKind::kGbnf);
  EXPECT_EQ(source_of(R"("guided_grammar": "start: \"a\"")")->kind, GrammarKind::kLark);
  EXPECT_EQ(source_of(R"("response_format": {"type": "text"})"), std::nullopt);
  EXPECT_EQ(source_of(R"("guided_json": null)"), std::nullopt);
}

TEST(ChatRequest, ReadsToolsAsClientsSendThem) {
  const ToolFields tools = parse(R"("tools": [{"type": "function", "function": {"name": "f", "description": "d",
      "strict": true, "parameters": {"type": "object"}}}, {"type": "function", "function": {"name": "g"}}],
      "tool_choice": {"type": "function", "function": {"name": "g"}}, "parallel_tool_calls": false)")
                               .tools;
  ASSERT_EQ(tools.tools.size(), 2u);
  EXPECT_EQ(tools.tools[0].name, "f");
  EXPECT_EQ(tools.tools[1].parameters, parse_json(R"({"type":"object","properties":{}})", "expected"));
  EXPECT_EQ(tools.definitions.size(), 2u);
  EXPECT_EQ(tools.named, "g");
  EXPECT_EQ(tools.choice, ToolChoice::kRequired);
  EXPECT_FALSE(tools.is_parallel);
  EXPECT_FALSE(
      parse(R"("tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none")").tools.may_call());
  std::string many = "\"tools\": [";
  for (int i = 0; i < 100'000; ++i) {
    many +=
        (i == 0 ? "" : ",") + std::string(R"({"type":"function","function":{"name":"t)") + std::to_string(i) + "\"}}";
  }
  EXPECT_THROW(parse(many + "]"), Error);
}

TEST(ChatRequest, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("n": 129)", "n"},
      {R"("n": 0)", "n"},
      {R"("num_beams": 65)", "num_beams"},
      {R"("use_beam_search": 4)", "use_beam_search"},
      {R"("use_beam_search": true, "length_penalty": 11)", "length_penalty"},
      {R"("use_beam_search": true, "early_stopping": "soon")", "early_stopping"},
      {R"("use_beam_search": true, "stream": true)", "stream"},
      {R"("length_penalty": 0.5)", "length_penalty"},
      {R"("early_stopping": true)", "early_stopping"},
      {R"("priority": "urgent")", "priority"},
      {R"("deadline_ms": 0)", "deadline_ms"},
      {R"("cache_salt": 5)", "cache_salt"},
      {R"("logit_bias": {"x": 5})", "logit_bias"},
      {R"("logit_bias": {"1": 101})", "logit_bias.1"},
      {R"("logit_bias": [])", "logit_bias"},
      {R"("allowed_token_ids": [-1])", "allowed_token_ids"},
      {R"("banned_token_ids": ["a"])", "banned_token_ids"},
      {R"("stop_token_ids": [1.5])", "stop_token_ids"},
      {R"("min_tokens": -1)", "min_tokens"},
      {R"("typical_p": 2)", "typical_p"},
      {R"("xtc_threshold": 2)", "xtc_threshold"},
      {R"("dry_allowed_length": 0)", "dry_allowed_length"},
      {R"("dry_sequence_breakers": [1])", "dry_sequence_breakers"},
      {R"("mirostat": 1)", "mirostat"},
      {R"("tools": [{"type": "function"}])", "tools[0].function"},
      {R"("tools": {})", "tools"},
      {R"("tools": [{"type": "web_search"}])", "tools[0].type"},
      {R"("tools": [{"type": "function", "function": {"name": "a b"}}])", "tools[0].function.name"},
      {R"("tools": [{"type": "function", "function": {"name": "a", "parameters": []}}])",
       "tools[0].function.parameters"},
      {R"("tools": [{"type": "function", "function": {"name": "a"}}, {"type": "function", "function": {"name": "a"}}])",
       "tools[1].function.name"},
      {R"("tool_choice": "required")", "tool_choice"},
      {R"("tool_choice": "some")", "tool_choice"},
      {R"("tools": [{"type": "function", "function": {"name": "a"}}],
          "tool_choice": {"type": "function", "function": {"name": "b"}})",
       "tool_choice"},
      {R"("tools": [{"type": "function", "function": {"name": "a"}}], "tool_choice": "required",
          "response_format": {"type": "json_object"})",
       "tool_choice"},
      {R"("reasoning_budget": -2)", "reasoning_budget"},
      {R"("response_format": {"type": "xml"})", "response_format.type"},
      {R"("response_format": {"type": "json_schema"})", "response_format.json_schema"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"schema": 1}})",
       "response_format.json_schema.schema"},
      {R"("response_format": {"type": "json_object", "strict": true})", "response_format.strict"},
      {R"("structured_outputs": {"regex": "a", "choice": ["a"]})", "structured_outputs.choice"},
      {R"("structured_outputs": {"structural_tag": "a"})", "structured_outputs.structural_tag"},
      {R"("guided_choice": ["a", ""])", "guided_choice"},
      {R"("guided_regex": 1)", "guided_regex"},
      {R"("guided_regex": "a", "response_format": {"type": "json_object"})", "guided_regex"},
      {R"("modalities": ["text", "audio"])", "modalities"},
      {R"("store": true)", "store"},
      {R"("audio": {})", "audio"},
      {R"("prediction": {})", "prediction"},
      {R"("reasoning_effort": "huge")", "reasoning_effort"},
      {R"("temperatur": 1)", "temperatur"},
      {R"("temperature": "1")", "temperature"},
      {R"("temperature": -0.1)", "temperature"},
      {R"("temperature": 1e999)", "temperature"},
      {R"("top_p": 1.5)", "top_p"},
      {R"("top_k": 1.5)", "top_k"},
      {R"("top_k": -2)", "top_k"},
      {R"("min_p": 2)", "min_p"},
      {R"("frequency_penalty": 2.1)", "frequency_penalty"},
      {R"("max_tokens": 0)", "max_tokens"},
      {R"("max_tokens": 5, "max_completion_tokens": 6)", "max_completion_tokens"},
      {R"("seed": 1.5)", "seed"},
      {R"("seed": 99999999999999999999)", "seed"},
      {R"("stop": 5)", "stop"},
      {R"("stop": "")", "stop"},
      {R"("stop": ["a", ""])", "stop[1]"},
      {R"("stop": ["a", 1])", "stop[1]"},
      {R"("logprobs": 1)", "logprobs"},
      {R"("top_logprobs": 2)", "top_logprobs"},
      {R"("logprobs": true, "top_logprobs": 21)", "top_logprobs"},
      {R"("stream": "yes")", "stream"},
      {R"("stream_options": {"include_usage": true})", "stream_options"},
      {R"("stream": true, "stream_options": {"x": true})", "stream_options.x"},
      {R"("stream": true, "stream_options": {"include_obfuscation": true})", "stream_options.include_obfuscation"},
      {R"("chat_template_kwargs": {"messages": []})", "chat_template_kwargs"},
      {R"("chat_template_kwargs": [])", "chat_template_kwargs"},
      {R"("ignore_eos": 1)", "ignore_eos"},
      {R"("model": 1)", "model"},
  };
  for (const auto& [fields, parameter] : cases) EXPECT_EQ(parameter_of_field(fields), parameter) << fields;
  std::string stops = "\"a\"";
  for (size_t i = 1; i < SamplingParameters::kStopCountMax; ++i) stops += ",\"a\"";
  EXPECT_EQ(parameter_of_field("\"stop\": [" + stops + "]"), "");
  EXPECT_EQ(parameter_of_field("\"stop\": [" + stops + ",\"a\"]"), "stop");
  const std::string longest(SamplingParameters::kStopBytesMax, 'a');
  EXPECT_EQ(parameter_of_field("\"stop\": \"" + longest + "\""), "");
  EXPECT_EQ(parameter_of_field("\"stop\": \"" + longest + "a\""), "stop");
}

TEST(ChatRequest, TakesTheSeedsOfTheCommandLine) {
  EXPECT_EQ(parse(R"("seed": 18446744073709551615)").generation.seed, UINT64_MAX);
  EXPECT_EQ(parse(R"("seed": -9223372036854775808)").generation.seed, uint64_t{1} << 63);
  EXPECT_EQ(parse(R"("seed": 5.0)").generation.seed, 5u);
}

TEST(ChatRequest, SaysWhichValueItWouldAccept) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("priority": "urgent")", R"("interactive", "normal" or "batch")"},
      {R"("store": true)", "only false"},
      {R"("tools": {})", "an array"},
      {R"("functions": {})", "only []"},
      {R"("response_format": {"type": "xml"})", R"("json_object")"},
      {R"("modalities": ["audio"])", R"(only ["text"])"},
      {R"("service_tier": "flex")", R"(only "auto" or "default")"},
      {R"("audio": {})", "only null"},
  };
  for (const auto& [fields, accepted] : cases) {
    try {
      parse(fields);
      ADD_FAILURE() << fields << " was accepted";
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), HasSubstr(accepted)) << fields;
    }
  }
}

TEST(ChatRequest, RefusesBodiesThatAreNoRequest) {
  for (const char* body :
       {"", "{", "[]", "1", "null", "{}", R"({"messages":null})", R"({"messages":[]})", R"({"messages":"Hi"})",
        R"({"messages":[1]})", "{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}",
        R"({"messages":[{"role":"user","content":"\ud800"}]})"}) {
    EXPECT_NE(parameter_of(body), "") << body;
  }
  EXPECT_NE(parameter_of(R"({"messages":)" + std::string(10000, '[') + std::string(10000, ']') + "}"), "");
}

TEST(ChatMessages, ComeInTheTemplatesForm) {
  EXPECT_EQ(messages_of(R"([{"role":"developer","content":"Be brief."},
                            {"role":"user","name":"eve","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
                            {"role":"assistant","content":null,"refusal":null,"annotations":[],"tool_calls":
                              [{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},
                            {"role":"tool","tool_call_id":"1","content":"42"}])"),
            parse_json(R"([{"role":"system","content":"Be brief."},
                           {"role":"user","content":"a\nb","name":"eve"},
                           {"role":"assistant","content":"","tool_calls":
                              [{"type":"function","function":{"name":"f","arguments":{}},"id":"1"}]},
                           {"role":"tool","content":"42","tool_call_id":"1"}])",
                       "expected"));
}

TEST(ChatMessages, RefusedByPath) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"content":"Hi"})", "messages[0].role"},
      {R"({"role":"root","content":"Hi"})", "messages[0].role"},
      {R"({"role":"user"})", "messages[0].content"},
      {R"({"role":"user","content":5})", "messages[0].content"},
      {R"({"role":"user","content":"Hi","mood":"good"})", "messages[0].mood"},
      {R"({"role":"user","content":[5]})", "messages[0].content[0]"},
      {R"({"role":"user","content":[{"type":"image_url","image_url":{}}]})", "messages[0].content[0].type"},
      {R"({"role":"user","content":[{"type":"text"}]})", "messages[0].content[0].text"},
      {R"({"role":"user","content":[{"type":"text","text":"a","x":1}]})", "messages[0].content[0].x"},
      {R"({"role":"user","content":"Hi","tool_calls":[]})", "messages[0].tool_calls"},
      {R"({"role":"assistant","content":"","tool_calls":[{}]})", "messages[0].tool_calls[0].function"},
      {R"({"role":"assistant","content":"","tool_calls":[{"function":{"arguments":"{}"}}]})",
       "messages[0].tool_calls[0].function.name"},
      {R"({"role":"assistant","content":"","tool_calls":[{"type":"custom","function":{"name":"f"}}]})",
       "messages[0].tool_calls[0].type"},
      {R"({"role":"assistant","content":"","refusal":"no"})", "messages[0].refusal"},
  };
  for (const auto& [message, parameter] : cases) EXPECT_EQ(parameter_of_message(message), parameter) << message;
}

}  // namespace
}  // namespace pelton::openai
