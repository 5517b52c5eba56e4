// The list of all steps: one line each.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "data/step.h"

namespace pelton::data {

Step make_c4(StepOptions& options);
Step make_classifier(StepOptions& options);
Step make_cluster(StepOptions& options);
Step make_counterfactual(StepOptions& options);
Step make_curriculum(StepOptions& options);
Step make_decontaminate(StepOptions& options);
Step make_diverse(StepOptions& options);
Step make_exact(StepOptions& options);
Step make_fineweb(StepOptions& options);
Step make_format(StepOptions& options);
Step make_gopher_quality(StepOptions& options);
Step make_gopher_repetition(StepOptions& options);
Step make_instruction_difficulty(StepOptions& options);
Step make_language(StepOptions& options);
Step make_length(StepOptions& options);
Step make_license(StepOptions& options);
Step make_minhash(StepOptions& options);
Step make_paragraphs(StepOptions& options);
Step make_perplexity(StepOptions& options);
Step make_personal_data(StepOptions& options);
Step make_phrases(StepOptions& options);
Step make_sample(StepOptions& options);
Step make_semantic_duplicates(StepOptions& options);
Step make_split(StepOptions& options);
Step make_substring(StepOptions& options);

namespace {

constexpr StepType kSteps[] = {
    {"c4", "Takes out lines that are no sentences, as C4 did; drops texts of few", make_c4},
    {"classifier", "Drops records that score low by a filter of `pelton data train-filter`", make_classifier},
    {"cluster", "Notes topics: clusters of texts that mean alike to a model (k-means)", make_cluster},
    {"counterfactual", "Makes the twins of records that speak of people: she for he, or terms of your own",
     make_counterfactual},
    {"curriculum", "Puts records into an order: easy ones first, by length or by a field; or shuffles them",
     make_curriculum},
    {"decontaminate", "Drops records that hold items of evaluation sets", make_decontaminate},
    {"diverse", "Keeps a few records that stand for all (k-centre, facility location)", make_diverse},
    {"exact", "Drops records whose text another one has", make_exact},
    {"fineweb", "Drops texts by FineWeb's rules of lines", make_fineweb},
    {"format", "Repairs Unicode, mojibake, invisible characters, HTML, lines, white space", make_format},
    {"gopher_quality", "Drops texts by Gopher's rules of quality", make_gopher_quality},
    {"gopher_repetition", "Drops texts that repeat themselves, by Gopher's rules", make_gopher_repetition},
    {"instruction_difficulty", "Keeps answers that their questions help a model to, as far as they should",
     make_instruction_difficulty},
    {"language", "Keeps records in some languages", make_language},
    {"length", "Keeps records of a length within bounds", make_length},
    {"license", "Keeps records under the licences that are allowed", make_license},
    {"minhash", "Drops records that are nearly another one (MinHash, verified)", make_minhash},
    {"paragraphs", "Cuts out paragraphs, lines or sentences that an earlier record has", make_paragraphs},
    {"perplexity", "Keeps texts that a model finds likely enough, and not too likely", make_perplexity},
    {"personal_data", "Masks or replaces personal data and secrets, or drops who has them", make_personal_data},
    {"phrases", "Drops, masks or notes words of lists: own ones, refusals, hedging, unasked advice", make_phrases},
    {"sample", "Keeps a sample: mixed by weights, evened out by a temperature, or stratified", make_sample},
    {"semantic_duplicates", "Drops records that mean to a model what another one means", make_semantic_duplicates},
    {"split", "Notes train, validation or test; near duplicates, or records of one meaning, in one of them",
     make_split},
    {"substring", "Cuts out passages of so many words that come earlier, too", make_substring},
};

}  // namespace

std::span<const StepType> step_types() { return kSteps; }

Step make_step(std::string_view name, StepOptions& options) {
  for (const StepType& type : kSteps) {
    if (type.name != name) continue;
    Step step = type.make(options);
    options.refuse_others();
    return step;
  }
  std::vector<std::string_view> names;
  for (const StepType& type : kSteps) names.push_back(type.name);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("there is no step '{}'; there are: {}", name, fmt::join(names, ", ")));
}

void StreamStep::change(Record& /*record*/, std::string_view /*edit*/, Arena& /*arena*/) const {
  PELTON_UNREACHABLE();  // it decided kChange, and says not how
}

void StreamStep::arrange(const ObservedStream& /*stream*/, const std::function<void(uint64_t)>& /*put_next*/) const {
  PELTON_UNREACHABLE();  // it reorders, and says not how
}

}  // namespace pelton::data
