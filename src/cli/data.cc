// `pelton data`: data sets.
#include <algorithm>
#include <memory>
#include <vector>

#include "cli/command.h"
#include "cli/data_commands.h"

namespace pelton::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  pelton data run recipe.yaml --dry-run 1\n"
    "  pelton data run recipe.yaml\n"
    "  pelton data trace doc-17 clean.jsonl\n"
    "  pelton data validate chats.jsonl\n"
    "  pelton data convert sharegpt.json -o chats.jsonl --to messages\n"
    "  pelton data pilot --model smollm2-135m-instruct-q4_1 --data chats.jsonl --eval held-out.jsonl\n";

constexpr Command kCommands[] = {
    {"run", "Take records through the steps of a recipe", add_data_run},
    {"steps", "List what a recipe can do", add_data_steps},
    {"validate", "Check the structure of chats", add_data_validate},
    {"convert", "Write records in another format", add_data_convert},
    {"train-filter", "Train a classifier of good and bad records", add_data_train_filter},
    {"pack", "Make tokens of records, once, for training", add_data_pack},
    {"pilot", "Finetune on growing parts, and tell what more data would bring", add_data_pilot},
    {"stats", "Count, measure, and write a report", add_data_stats},
    {"diff", "Tell what changed between two versions", add_data_diff},
    {"sample", "Print some records", add_data_sample},
    {"view", "Read records, all or those that meet conditions", add_data_view},
    {"trace", "Tell the story of a record, also of one that was dropped", add_data_trace},
};

}  // namespace

std::function<int()> add_data(CLI::App& app) {
  app.require_subcommand(1);
  app.footer(kExamples);
  std::vector<std::pair<const CLI::App*, std::function<int()>>> works;
  for (const Command& command : kCommands) {
    CLI::App* subcommand = app.add_subcommand(command.name, command.summary);
    works.emplace_back(subcommand, command.add(*subcommand));
  }
  return [works = std::move(works)] {
    const auto chosen = std::find_if(works.begin(), works.end(), [](const auto& work) { return work.first->parsed(); });
    return chosen->second();
  };
}

}  // namespace pelton::cli
