// The bounds of what templates may do that fuel does not see, with bounds small enough to reach them at once. What
// leaves runaway threads behind runs in a process of its own: there may be four of them in a program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>

#include "text/bridge_call.h"

namespace pelton {
namespace {

using testing::HasSubstr;

constexpr pelton_bridge_limits kSmall = {
    .fuel = 2'500'000, .output_bytes_max = 1 << 20, .memory_bytes_max = 8 << 20, .render_ms_max = 60'000};

struct Outcome {
  pelton_bridge_status status;
  std::string text;  // rendered, or the error's
};

Outcome parse(const std::string& source, const pelton_bridge_limits& limits, BridgeTemplate& parsed) {
  BridgeBytes error;
  pelton_bridge_template* result = nullptr;
  const auto status = pelton_bridge_template_parse(bridge_text(source), limits, &result, error.out());
  parsed.reset(result);
  return {status, std::string(error.view())};
}

Outcome render(const BridgeTemplate& parsed) {
  BridgeBytes rendered, error;
  const auto status =
      pelton_bridge_template_render(parsed.get(), bridge_text(R"({"messages": []})"), 0, rendered.out(), error.out());
  return {status, std::string(status == PELTON_BRIDGE_OK ? rendered.view() : error.view())};
}

Outcome parse_and_render(const std::string& source, const pelton_bridge_limits& limits = kSmall) {
  BridgeTemplate parsed;
  const Outcome outcome = parse(source, limits, parsed);
  return outcome.status == PELTON_BRIDGE_OK ? render(parsed) : outcome;
}

// Lists that double 32 times without being built; then they are.
std::string doubling(const std::string& list) {
  return "{% set ns = namespace(x=" + list + ") %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
}

// Equal lists of 2^50 leaves; all are looked at.
constexpr const char* kEndlessComparison =
    "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(50) %}{% set ns.x = [ns.x, ns.x] %}"
    "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}";

// Joined when it is parsed, each time from the start: minutes.
std::string endless_source() {
  std::string source = "{{ 1";
  for (int i = 0; i < 130'000; ++i) source += "~1";
  return source + " }}";
}

// Runs `body` in a process of its own and expects its expectations.
template <typename Body>
void in_child(const Body& body) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        body();
        std::_Exit(testing::Test::HasFailure() ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}

void expect_refused(const Outcome& outcome, const char* why) {
  EXPECT_EQ(outcome.status, PELTON_BRIDGE_EXHAUSTED);
  EXPECT_THAT(outcome.text, HasSubstr(why));
}

TEST(ChatTemplateLimitsDeathTest, MemoryThatFuelDoesNotSee) {
  in_child([] {
    for (const char* list : {"[1]", "[1] | map('abs')"}) {
      SCOPED_TRACE(list);
      expect_refused(parse_and_render(doubling(list)), "too much memory");
    }
  });
}

TEST(ChatTemplateLimitsDeathTest, FourRunawaysAndNoMore) {
  in_child([] {
    BridgeTemplate sound, hungry;
    EXPECT_EQ(parse("{{ messages }}", kSmall, sound).status, PELTON_BRIDGE_OK);
    EXPECT_EQ(parse(doubling("[1]"), kSmall, hungry).status, PELTON_BRIDGE_OK);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(render(sound).text, "[]");
      expect_refused(render(hungry), "too much memory");
    }
    expect_refused(render(hungry), "have not ended");
    expect_refused(render(sound), "have not ended");
    expect_refused(parse_and_render("x"), "have not ended");
  });
}

TEST(ChatTemplateLimitsDeathTest, DeadlinesOfRenderingAndParsingCountTogether) {
  in_child([] {
    pelton_bridge_limits limits = kSmall;
    limits.memory_bytes_max = size_t{512} << 20;
    limits.render_ms_max = 500;
    for (int i = 0; i < 2; ++i) {
      expect_refused(parse_and_render(kEndlessComparison, limits), "longer than 500 ms");
      expect_refused(parse_and_render(endless_source(), limits), "longer than 500 ms");
    }
    expect_refused(parse_and_render("x"), "have not ended");
  });
}

TEST(ChatTemplateLimitsDeathTest, ARunawayStopsComputing) {
  in_child([] {
    pelton_bridge_limits limits = kSmall;
    limits.render_ms_max = 50;
    expect_refused(parse_and_render(kEndlessComparison, limits), "longer than 50 ms");
    const auto is_idle = [] {
      const std::clock_t before = std::clock();  // of all threads
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return std::clock() - before < CLOCKS_PER_SEC / 200;
    };
    // A busy machine may make it look idle for a moment.
    int idle_count = 0;
    for (int i = 0; i < 400 && idle_count < 5; ++i) idle_count = is_idle() ? idle_count + 1 : 0;
    EXPECT_EQ(idle_count, 5);
  });
}

// `name`, put into lists 6000 * times deep: 60 at a time is what the parser takes in two loops.
std::string nested_lists(const std::string& name, int times) {
  const std::string lists = std::string(60, '[') + "ns." + name + std::string(60, ']');
  return "{% for i in range(100) %}{% for j in range(" + std::to_string(times) + ") %}{% set ns." + name + " = " +
         lists + " %}{% endfor %}{% endfor %}";
}

// About the deepest values that the fuel of a chat pays for: the stack is made for them.
TEST(ChatTemplateLimits, TheDeepestValuesFitOnTheStack) {
  pelton_bridge_limits limits = kSmall;
  limits.output_bytes_max = limits.memory_bytes_max = size_t{512} << 20;
  limits.render_ms_max = 600'000;
  const std::string start = "{% set ns = namespace(x=[], y=[]) %}";
  const Outcome printed = parse_and_render(start + nested_lists("x", 150) + "{{ ns.x }}", limits);
  EXPECT_EQ(printed.status, PELTON_BRIDGE_OK);
  EXPECT_EQ(printed.text.size(), size_t{2} * (60 * 100 * 150 + 1));
  expect_refused(parse_and_render(start + nested_lists("x", 240) + "{{ ns.x }}", limits), "more work than it may");
  struct Comparison {
    const char *use, *rendered;
    int times;
  };
  constexpr Comparison kComparisons[] = {
      {"{{ ns.x == ns.y }}", "True", 120}, {"{{ [ns.x, ns.y] | sort | length }}", "2", 120},
      {"{{ ns.x < ns.y }}", "False", 20},  {"{{ ns.x in [ns.y] }}", "True", 20},
      {"{{ {ns.x: 1}[ns.y] }}", "1", 20},  {"{{ [ns.x, ns.y] | unique | list | length }}", "1", 20},
  };
  for (const auto& [use, rendered, times] : kComparisons) {
    SCOPED_TRACE(use);
    const std::string source = start + nested_lists("x", times) + nested_lists("y", times) + use;
    EXPECT_EQ(parse_and_render(source, limits).text, rendered);
  }
}

TEST(ChatTemplateLimits, NamespacesThatHoldThemselvesAreCounted) {
  pelton_bridge_limits limits = kSmall;
  limits.memory_bytes_max = 16 << 20;
  // With 800 KB each; the second also unwinds each time ("nested too deep"), the third fails.
  for (const char* end : {"", "{{ ns == other }}", "{{ raise_exception('no') }}"}) {
    SCOPED_TRACE(end);
    BridgeTemplate parsed;
    const std::string source =
        "{% set ns = namespace(z='x' * 800000) %}{% set ns.b = ns %}"
        "{% set other = namespace(z=ns.z) %}{% set other.b = other %}" +
        std::string(end);
    ASSERT_EQ(parse(source, limits, parsed).status, PELTON_BRIDGE_OK);
    for (int i = 0; i < 15; ++i) EXPECT_THAT(render(parsed).text, testing::Not(HasSubstr("hold themselves")));
    for (int i = 0; i < 10; ++i) render(parsed);
    expect_refused(render(parsed), "hold themselves");
  }
}

TEST(ChatTemplateLimits, WhatIsFreedIsNotCounted) {
  pelton_bridge_limits limits = kSmall;
  limits.memory_bytes_max = 200'000;
  for (const char* end : {"", "{{ ns.a }}", "{{ raise_exception('no' * 1000) }}", "{{ messages.nothing.at_all }}",
                          "{{ messages | tojson }}", "{{ strftime_now('%d') }}"}) {
    SCOPED_TRACE(end);
    BridgeTemplate parsed;
    const std::string source = "{% set ns = namespace(a='x' * 50000) %}{% set ns.b = [ns.a] %}" + std::string(end);
    ASSERT_EQ(parse(source, limits, parsed).status, PELTON_BRIDGE_OK);
    const Outcome first = render(parsed);
    // A lost byte in ten renderings would show.
    for (int i = 0; i < 500; ++i) render(parsed);
    EXPECT_EQ(render(parsed).text, first.text);
    EXPECT_THAT(first.text, testing::Not(HasSubstr("hold themselves")));
  }
}

}  // namespace
}  // namespace pelton
