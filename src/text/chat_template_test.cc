#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/golden_tokenizers.h"

namespace pelton {
namespace {

using testing::HasSubstr;

std::string render(const std::string& source, const ChatTemplate::Input& input = {}) {
  return ChatTemplate::parse(source, "<s>", "</s>")->render(input);
}

Error render_error(const std::string& source, const ChatTemplate::Input& input = {}) {
  try {
    return Error(ErrorCode::kInternal, "no error, but: " + render(source, input).substr(0, 200));
  } catch (const Error& error) {
    return error;
  }
}

TEST(ChatTemplate, RendersAsTransformersDoes) {
  setenv("TZ", "UTC", 1);
  tzset();
  const json::object golden = read_golden("chat_templates");
  for (const json::value& value : golden.at("cases").as_array()) {
    const json::object& test = value.as_object();
    ChatTemplate::Input input;
    input.messages = test.at("messages").as_array();
    input.tools = test.at("tools").as_array();
    input.add_generation_prompt = test.at("add_generation_prompt").as_bool();
    input.now_unix_s = golden.at("now_unix_s").as_int64();
    const std::string source(golden.at("templates").at(test.at("template").as_string()).as_string());
    SCOPED_TRACE(json::serialize(test));
    EXPECT_EQ(render(source, input), std::string(test.at("rendered").as_string()));
  }
}

TEST(ChatTemplate, SeesWhatItIsGiven) {
  ChatTemplate::Input input;
  input.variables = {{"enable_thinking", false}};
  EXPECT_EQ(
      render("{{ bos_token }}{{ eos_token }} {{ enable_thinking }} {{ messages | length }} {{ tools is none }}", input),
      "<s></s> False 0 True");
  EXPECT_EQ(ChatTemplate::parse("{{ bos_token is defined }}", "", "")->render({}), "False");
}

// As Python and Jinja have it, not as the engine does.
TEST(ChatTemplate, KnowsWhatPythonsStringsCanDo) {
  EXPECT_EQ(
      render("{{ 'a' is sequence }}{{ {} is sequence }}{{ [] is sequence }}{{ 1 is sequence }}{{ none is sequence }}"),
      "TrueTrueTrueFalseFalse");
  EXPECT_EQ(render("{{ 'a,b,c'.rsplit(',', 1) }}{{ 'a,b,c'.rsplit(',') }}{{ ' a  b c '.rsplit() }}"),
            "['a,b', 'c']['a', 'b', 'c']['a', 'b', 'c']");
  EXPECT_EQ(render("{{ ' a  b \u00a0c '.rsplit(none, 1) }}{{ ''.rsplit() }}{{ ''.rsplit(',') }}"),
            "[' a  b', 'c'][]['']");
  EXPECT_EQ(
      render("{% for p in ['a=b=c'.partition('='), 'a=b=c'.rpartition('='), 'a'.partition('='), 'a'.rpartition('=')] "
             "%}{{ p | join('|') }};{% endfor %}"),
      "a|=|b=c;a=b|=|c;a||;||a;");
  EXPECT_EQ(render_error("{{ 'a'.rsplit('') }}").code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(render_error("{{ 'a'.partition('') }}").code(), ErrorCode::kInvalidArgument);
}

// What jinja2 3.1 writes.
TEST(ChatTemplate, KnowsWhatJinjaHasBuiltIn) {
  EXPECT_EQ(render("{{ 1e22 }} {{ 0.1 + 0.2 }} {{ 1e-5 }} {{ 2.0 }} {{ 1e16 }} {{ -1.5e-7 }} {{ 3 }}"),
            "1e+22 0.30000000000000004 1e-05 2.0 1e+16 -1.5e-07 3");
  EXPECT_EQ(
      render("[{{ 'abc' | center(8) }}][{{ 'ab' | center(5) }}][{{ 'ab' | center(1) }}][{{ 'é' | center | length }}]"),
      "[  abc   ][  ab ][ab][80]");
  EXPECT_EQ(render("{{ 'Hello, big_world! it\\'s 3 o' | wordcount }} {{ '' | wordcount }}"), "6 0");
  EXPECT_EQ(
      render("{{ 'a b/é&=~' | urlencode }} {{ {'q': 'a b/c', 'n': 1} | urlencode }} {{ [['k', 'v']] | urlencode }}"),
      "a%20b/%C3%A9%26%3D~ q=a+b%2Fc&n=1 k=v");
  EXPECT_EQ(
      render("{{ raise_exception is callable }}{{ 'a' is callable }}{{ {} is callable }}{{ nothing is callable }}"),
      "TrueFalseFalseTrue");
  EXPECT_EQ(render_error("{{ 'a' | center(10000000) }}").code(), ErrorCode::kInvalidArgument);
}

TEST(ChatTemplate, VariablesReplaceNothingOfTheTemplates) {
  for (const char* name :
       {"messages", "tools", "add_generation_prompt", "bos_token", "raise_exception", "strftime_now", "namespace"}) {
    ChatTemplate::Input input;
    input.variables = {{name, "mine"}};
    const Error error = render_error("{{ messages }}", input);
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.parameter(), "chat_template_kwargs");
    EXPECT_THAT(error.message(), HasSubstr(name));
  }
}

TEST(ChatTemplate, GivesItsRefusalsInItsOwnWords) {
  const Error error = render_error("\n{{ raise_exception('Only user and assistant!') }}");
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.message(), "the model's chat template: Only user and assistant!");
}

TEST(ChatTemplate, NamesTheLineOfAnError) {
  const Error undefined = render_error("a\nb {{ messages.nothing.at_all }}");
  EXPECT_EQ(undefined.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(undefined.message(), HasSubstr("line 2"));
  const Error syntax = render_error("a\nb\n{% if %}");
  EXPECT_EQ(syntax.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(syntax.message(), HasSubstr("line 3"));
  EXPECT_EQ(render_error("{% include 'other' %}").code(), ErrorCode::kUnsupported);
  EXPECT_EQ(render_error("{{ messages.append(1) }}").code(), ErrorCode::kInvalidArgument);
}

TEST(ChatTemplate, EndsWhatWouldNotEnd) {
  const char* const kEndless[] = {
      "{% for i in range(100000) %}{% for j in range(100000) %}{{ j }}{% endfor %}{% endfor %}",
      "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
      "{% set ns = namespace(x='a') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
      "{% set ns = namespace(x='a') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "{% set ns = namespace(x='a') %}{% for i in range(100) %}{% set ns.x = ns.x.replace('a', 'aaaaaaaaaa') %}{% "
      "endfor %}",
      "{% for i in range(100000) %}{{ 'a' * 100000 }}{% endfor %}",
      "{% for i in range(1000) %}{% set x %}{{ 'a' * 10000000 }}{% endset %}{% endfor %}",
  };
  for (const char* source : kEndless) {
    SCOPED_TRACE(source);
    const Error error = render_error(source);
    EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted) << error.message();
  }
  // Refused at once, whether as too much or as wrong.
  for (const char* source :
       {"{{ 'a' * 10**9 }}", "{{ range(10**9) | list | length }}", "{{ [0] * 10**9 }}",
        "{{ '%1000000000d' | format(1) }}", "{{ 'a' | indent(10**9) }}", "{{ 'a' | center(10**9) }}",
        "{{ 10 ** 10000 }}", "{{ [1] | tojson(indent=10**9) | length }}"}) {
    SCOPED_TRACE(source);
    const Error error = render_error(source);
    EXPECT_TRUE(error.code() == ErrorCode::kResourceExhausted || error.code() == ErrorCode::kInvalidArgument ||
                error.message().size() < 300)
        << error.message();
  }
}

TEST(ChatTemplate, SurvivesDeepRecursion) {
  const char* const kDeep[] = {
      "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "{% macro f(n) %}{% for i in [1] %}{{ f(n + 1) ~ 'x' }}{% endfor %}{% endmacro %}{{ f(0) }}",
      "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
      "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson "
      "}}",
      "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% for j in range(10) %}{% set ns.x = [ns.x] %}{% "
      "endfor %}"
      "{% endfor %}{{ ns.x == ns.x }}{{ ns.x | length }}",
      "{% set ns = namespace(x={}) %}{% for i in range(90000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}{{ ns.x.a }}",
      "{% for x in [[1]] recursive %}{{ loop([[x]]) }}{% endfor %}",
  };
  for (const char* source : kDeep) {
    SCOPED_TRACE(source);
    try {
      render(source);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << error.message();
    }
  }
  json::value deep = "x";
  for (int i = 0; i < 60; ++i) deep = json::array{std::move(deep)};
  ChatTemplate::Input input;
  input.messages = {json::object{{"role", "user"}, {"content", deep}}};
  EXPECT_THAT(render("{{ messages | tojson }}", input), HasSubstr("[[[[\"x\"]]]]"));
}

std::string repeated(std::string_view part, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += part;
  return text;
}

// Each with as many parts as a source may have bytes for.
TEST(ChatTemplate, SurvivesDeepSources) {
  constexpr size_t kSourceBytesMax = 256 << 10;
  struct Deep {
    std::string_view before, part, middle, closing, after;
    std::string operator()(size_t count) const {
      return std::string(before) + repeated(part, count) + std::string(middle) + repeated(closing, count) +
             std::string(after);
    }
    size_t count_max() const {
      return (kSourceBytesMax - before.size() - middle.size() - after.size()) / (part.size() + closing.size());
    }
  };
  constexpr Deep kNested[] = {{"{{ ", "(", "1", ")", " }}"},
                              {"{{ ", "[", "", "]", " }}"},
                              {"{{ ", "{1:", "1", "}", " }}"},
                              {"{{ f", "(f", "", ")", " }}"},
                              {"{{ a", "[a", "", "]", " }}"},
                              {"{{ ", "(", "", "", ""},  // none closes
                              {"", "{% if 1 %}", "", "{% endif %}", ""},
                              {"", "{% if 1 %}", "", "", ""},
                              {"", "{% for a in b %}", "", "{% endfor %}", ""},
                              {"", "{% set x %}", "", "{% endset %}", ""},
                              {"", "{% macro f() %}", "", "{% endmacro %}", ""},
                              {"", "{% with a=1 %}", "", "{% endwith %}", ""},
                              {"", "{% filter abs %}", "", "{% endfilter %}", ""},
                              {"", "{% call f() %}", "", "{% endcall %}", ""}};
  for (const Deep& deep : kNested) {
    SCOPED_TRACE(deep.part);
    const Error error = render_error(deep(deep.count_max()));
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.message(), HasSubstr("recursion limit"));
  }
  // These the engine does not count as nested, and its tree of them is as deep.
  struct Chain {
    Deep deep;
    const char* rendered;
  };
  constexpr Chain kChains[] = {{{"{{ ", "not not ", "1 }}", "", ""}, "True"},
                               {{"{{ ", "--", "1 }}", "", ""}, "1"},
                               {{"{{ 1", "*1", " }}", "", ""}, "1"},
                               {{"{{ 1", "**1", " }}", "", ""}, "1"},
                               {{"{{ 1", "|abs", " }}", "", ""}, "1"},
                               {{"{{ 1", " and 1", " }}", "", ""}, "1"},
                               {{"{{ 1", " if 1", " }}", "", ""}, "1"},
                               {{"{{ ", "1 if 1 else ", "1 }}", "", ""}, "1"},
                               {{"{% if 0 %}", "{% elif 0 %}", "", "", "{% endif %}"}, ""}};
  for (const auto& [deep, rendered] : kChains) {
    SCOPED_TRACE(deep.part);
    EXPECT_EQ(render(deep(deep.count_max())), rendered);
  }
  for (const Deep& deep : {Deep{"{{ messages", ".a", " }}", "", ""}, Deep{"{{ messages", "()", " }}", "", ""},
                           Deep{"{{ messages", "[0]", " }}", "", ""}}) {
    SCOPED_TRACE(deep.part);
    EXPECT_EQ(render_error(deep(deep.count_max())).code(), ErrorCode::kInvalidArgument);
  }
  const Error error = render_error(std::string((256 << 10) + 1, 'x'));
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(error.message(), HasSubstr("262145 bytes"));
}

TEST(ChatTemplate, SurvivesNamespacesThatHoldThemselves) {
  for (const char* use : {"{{ ns }}", "{{ ns == other }}", "{{ [ns, other] | sort }}", "{{ ns | tojson }}"}) {
    for (const char* held : {"ns", "{'b': ns}"}) {
      const std::string source =
          "{% set ns = namespace(a=1) %}{% set other = namespace(a=1) %}{% set ns.a = " + std::string(held) +
          " %}{% set other.a = " +
          (held[0] == 'n' ? "ns %}{% set ns.a = other %}{% set other.a = ns %}" : "[other] %}") + use;
      SCOPED_TRACE(source);
      try {
        render(source);
      } catch (const Error& error) {
        EXPECT_NE(error.code(), ErrorCode::kInternal) << error.message();
      }
    }
  }
  const Error error = render_error("{% set ns = namespace(a=1) %}{% set ns.a = ns %}{{ ns }}");
  EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(error.message(), HasSubstr("nested too deep"));
  EXPECT_EQ(render("{% set ns = namespace(a=1, b=2) %}{% set ns.c = 3 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}"
                   "{{ namespace() is defined }}{{ namespace({'a': 4}).a }}"),
            "123True4");
}

TEST(ChatTemplate, RefusesFormatsThatAreTooWide) {
  EXPECT_EQ(render("{{ '{:>5}|{:.2f}'.format(5, 1.5) }}"), "    5|1.50");
  for (const char* source : {"{{ '{:>9999999999}'.format(5) }}", "{{ ('{0:>999999}' * 1000).format(5) }}",
                             "{{ '{:.999999999f}'.format(1.5) }}"}) {
    EXPECT_EQ(render_error(source).code(), ErrorCode::kInvalidArgument) << source;
  }
}

TEST(ChatTemplate, AnyThreadMayRender) {
  const auto chat_template = ChatTemplate::parse("{% for m in messages %}{{ m.content | upper }}{% endfor %}", "", "");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      ChatTemplate::Input input;
      input.messages = {json::object{{"content", "m" + std::to_string(t)}}};
      for (int i = 0; i < 50; ++i) EXPECT_EQ(chat_template->render(input), "M" + std::to_string(t));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace pelton
