#include "server/openai/generation_job.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

#include "base/json_text.h"
#include "base/log.h"
#include "server/http/http_error.h"

namespace pelton::openai {
namespace {

// OpenAI's measure of the best answer.
double mean_logprob(const std::vector<SampledToken>& tokens) {
  double sum = 0;
  for (const SampledToken& token : tokens) sum += static_cast<double>(token.logprob.value_or(0));
  return sum / static_cast<double>(std::max<size_t>(1, tokens.size()));
}

}  // namespace

// On the engine's thread: hands over and returns.
class GenerationJob::Sink final : public GenerationSink {
 public:
  // `prompt_token_count`: 0 where another answer counts the prompt.
  Sink(std::shared_ptr<GenerationJob> job, size_t index, int64_t prompt_token_count, const GenerationRequest& request)
      : job_(std::move(job)),
        index_(index),
        uncharged_token_count_(prompt_token_count),
        meter_(*job_->model_->metrics, {.request_id = job_->options_.request_id,
                                        .received = job_->options_.received,
                                        .prompt_token_count = prompt_token_count,
                                        .answer_count = static_cast<int64_t>(job_->options_.choice_count),
                                        .max_tokens = request.sampling.max_tokens,
                                        .priority = request.priority}) {}

  void on_prompt(const std::vector<SampledToken>& tokens) override {
    job_->reply_->post([job = job_, index = index_, tokens] { job->set_prompt(index, tokens); });
  }
  void on_tokens(std::string text, std::vector<SampledToken> tokens) override {
    const auto token_count = static_cast<int64_t>(tokens.size());
    meter_.add_tokens(token_count);
    if (Caller* caller = job_->options_.caller.get()) {
      caller->charge_tokens(std::exchange(uncharged_token_count_, 0) + token_count);
    }
    if (!job_->options_.has_logprobs && job_->options_.best_of == job_->options_.choice_count) {
      tokens.clear();
      if (text.empty()) return;
    }
    job_->reply_->post([job = job_, index = index_, piece = Piece{std::move(text), std::move(tokens)}]() mutable {
      job->add(index, std::move(piece));
    });
  }
  void on_finish(const GenerationSummary& summary) override {
    meter_.finish(summary);
    job_->reply_->post([job = job_, index = index_, summary] { job->finish(index, summary); });
  }
  void on_error(const Error& error) override {
    meter_.fail(error.code());
    job_->reply_->post([job = job_, error] { job->fail(error); });
  }

 private:
  std::shared_ptr<GenerationJob> job_;
  size_t index_;
  int64_t uncharged_token_count_;  // the prompt's, until it was computed
  AnswerMeter meter_;
};

GenerationJob::GenerationJob(std::shared_ptr<const ServedModel> model, std::shared_ptr<Reply> reply,
                             std::unique_ptr<AnswerFormat> format, Options options)
    : model_(std::move(model)), reply_(std::move(reply)), format_(std::move(format)), options_(std::move(options)) {}

void GenerationJob::start(std::vector<GenerationRequest> requests) {
  const std::shared_ptr<GenerationJob> self = shared_from_this();
  try {
    for (GenerationRequest& request : requests) {
      if (options_.caller != nullptr) {  // a key's users share its part, and nobody else sees what its prompts were
        const std::string& key = options_.caller->key().name;
        request.client = key;
        request.cache_salt = key + '\0' + request.cache_salt;
      }
      const auto prompt_token_count = static_cast<int64_t>(request.prompt.size());
      std::vector<std::shared_ptr<GenerationSink>> sinks;
      for (size_t i = 0; i < options_.best_of; ++i) {  // the prompt counts once
        sinks.push_back(std::make_shared<Sink>(self, parts_.size() + i, i == 0 ? prompt_token_count : 0, request));
      }
      for (const RequestId id : model_->engine->submit(std::move(request), std::move(sinks)))
        parts_.push_back({.id = id});
    }
  } catch (...) {
    cancel();
    throw;
  }
  unfinished_count_ = parts_.size();
  reply_->on_abandoned([self] { self->cancel(); });
  reply_->on_delivered([metrics = model_->metrics, id = options_.request_id](Duration duration) {
    metrics->observe_delivery(id, duration);
  });
}

void GenerationJob::set_prompt(size_t index, std::vector<SampledToken> tokens) {
  const size_t answer = index % options_.best_of;
  if (answer >= options_.choice_count) return;  // the best of them have all the same prompt
  format_->set_prompt(index / options_.best_of * options_.choice_count + answer, std::move(tokens));
}

void GenerationJob::add(size_t index, Piece piece) {
  if (options_.streams) {
    open(index);
    send(format_->piece(index, piece));
    return;
  }
  Piece& whole = parts_[index].choice.piece;
  whole.text += piece.text;
  whole.tokens.insert(whole.tokens.end(), std::make_move_iterator(piece.tokens.begin()),
                      std::make_move_iterator(piece.tokens.end()));
}

void GenerationJob::finish(size_t index, const GenerationSummary& summary) {
  if (index % options_.best_of == 0) {  // a prompt counts once
    usage_.prompt_tokens += summary.prompt_tokens;
    usage_.cached_tokens += summary.cached_tokens;
  }
  usage_.completion_tokens += summary.completion_tokens;
  parts_[index].choice.reason = summary.reason;
  parts_[index].choice.stop = summary.stop;
  parts_[index].choice.beam = summary.beam;
  --unfinished_count_;
  if (options_.streams) {
    open(index);
    send(format_->closing(index, parts_[index].choice));
    if (unfinished_count_ > 0) return;
    send(format_->end(usage_));
    if (format_->ends_with_done()) reply_->send_event("", "[DONE]");
    reply_->end_events();
  } else if (unfinished_count_ == 0) {
    reply_->respond({.body = to_json_text(format_->whole(chosen(), usage_))});
  }
}

std::vector<Choice> GenerationJob::chosen() {
  std::vector<Choice> choices;
  for (size_t first = 0; first < parts_.size(); first += options_.best_of) {
    const auto begin = parts_.begin() + static_cast<std::ptrdiff_t>(first);
    if (options_.best_of > options_.choice_count) {
      std::stable_sort(begin, begin + static_cast<std::ptrdiff_t>(options_.best_of), [](const Part& a, const Part& b) {
        return mean_logprob(a.choice.piece.tokens) > mean_logprob(b.choice.piece.tokens);
      });
    }
    for (size_t i = 0; i < options_.choice_count; ++i) choices.push_back(std::move(parts_[first + i].choice));
  }
  return choices;
}

void GenerationJob::fail(const Error& error) {
  log::warning("a request failed: " + error.message());
  cancel();
  const HttpError http_error(error);
  if (is_streaming_) {
    send({format_->failure(http_error)});
    reply_->end_events();
  } else {
    reply_->respond(http_error.response(format_->error_form()));
  }
}

void GenerationJob::cancel() {
  for (const Part& part : parts_) model_->engine->cancel(part.id);
}

// The status line goes out with the first token, so that what fails before still gets a status of its own.
void GenerationJob::open(size_t index) {
  if (!is_streaming_) {
    is_streaming_ = true;
    reply_->begin_events();
  }
  if (std::exchange(parts_[index].is_open, true)) return;
  send(format_->opening(index));
}

void GenerationJob::send(const Events& events) {
  for (const Event& event : events) reply_->send_event(event.name, to_json_text(event.data));
}

}  // namespace pelton::openai
