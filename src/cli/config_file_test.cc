#include "cli/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/error.h"

namespace pelton::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ConfigFileTest : public testing::Test {
 protected:
  ConfigFileTest() {
    app_.add_option("-m,--model", model_);
    app_.add_option("--port", port_);
    app_.add_option("--open-path", open_paths_)->type_size(1)->allow_extra_args(false);
    app_.add_flag("--json", as_json_);
    add_config_option(app_);
  }
  std::vector<std::string> with(const std::string& yaml, std::vector<std::string> args = {}) {
    return with_config(app_, std::move(args), yaml, "serve.yaml");
  }
  std::string refusal_of(const std::string& yaml) {
    try {
      with(yaml);
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  }

  CLI::App app_{"", "serve"};
  std::string model_;
  int port_ = 0;
  std::vector<std::string> open_paths_;
  bool as_json_ = false;
};

TEST_F(ConfigFileTest, OptionsByTheirNames) {
  std::vector<std::string> args = with("model: a b.gguf\nport: 8123\nopen-path: [/health, /metrics]\njson: true\n");
  EXPECT_THAT(args,
              ElementsAre("--model=a b.gguf", "--port=8123", "--open-path=/health", "--open-path=/metrics", "--json"));
  std::reverse(args.begin(), args.end());  // as CLI11 takes them
  app_.parse(args);
  EXPECT_EQ(model_, "a b.gguf");
  EXPECT_EQ(port_, 8123);
  EXPECT_THAT(open_paths_, ElementsAre("/health", "/metrics"));
  EXPECT_TRUE(as_json_);
}

TEST_F(ConfigFileTest, AFlagWins) {
  EXPECT_THAT(with("port: 1\nmodel: a\n", {"--port", "2", "-mb"}), ElementsAre("--port", "2", "-mb"));
  EXPECT_THAT(with("port: 1\n", {"--port=2"}), ElementsAre("--port=2"));
  EXPECT_THAT(with("port: 1\n", {"--ports"}), ElementsAre("--ports", "--port=1")) << "another name";
  EXPECT_THAT(with("json: false\nport: null\n"), ElementsAre());
}

TEST_F(ConfigFileTest, RefusesWithTheLine) {
  EXPECT_EQ(refusal_of("port: 1\n\nprot: 2\n"), "serve.yaml: line 3: prot: pelton serve has no such option");
  EXPECT_THAT(refusal_of("port: 1\nconfig: other.yaml\n"), HasSubstr("line 2: config: "));
  EXPECT_THAT(refusal_of("help: true\n"), HasSubstr("line 1: help: "));
  EXPECT_THAT(refusal_of("m: x\n"), HasSubstr("no such option")) << "names in full";
  EXPECT_THAT(refusal_of("json: 1\n"), HasSubstr("line 1: json: expected true or false"));
  EXPECT_THAT(refusal_of("port: true\n"), HasSubstr("line 1: port: expected a text"));
  EXPECT_THAT(refusal_of("port: {a: 1}\n"), HasSubstr("line 1: port: expected a text"));
  EXPECT_THAT(refusal_of("- port\n"), HasSubstr("expected options"));
  EXPECT_THAT(refusal_of("port: 1\nport: 2\n"), HasSubstr("line 2: the key 'port' appears twice"));
}

}  // namespace
}  // namespace pelton::cli
