#include "server/route_table.h"

#include "server/anthropic/messages_request.h"
#include "server/metrics/metrics.h"
#include "server/openai/adapter_request.h"
#include "server/openai/chat_request.h"
#include "server/openai/classify.h"
#include "server/openai/completion_request.h"
#include "server/openai/embeddings.h"
#include "server/openai/rerank.h"
#include "server/openai/responses_request.h"
#include "server/openai/tokenize_request.h"

namespace pelton {
namespace {

constexpr Route kRoutes[] = {
    {.method = "GET", .path = "/health", .summary = "Alive, and what it is doing", .answer = routes::health},
    {.method = "GET", .path = "/ready", .summary = "Whether more may come", .answer = routes::ready},
    {.method = "GET", .path = "/version", .summary = "Which program answers", .answer = routes::version},
    {.method = "GET",
     .path = "/metrics",
     .summary = "What was done, as Prometheus reads it",
     .answer = routes::metrics,
     .content_type = Metrics::kContentType},
    {.method = "GET", .path = "/openapi.json", .summary = "This document", .answer = routes::openapi},
    {.method = "GET", .path = "/v1/models", .summary = "The models that may be asked", .answer = routes::list_models},
    {.method = "GET", .path = "/v1/models/{id}", .summary = "One of them", .answer = routes::show_model},
    {.method = "POST",
     .path = "/v1/chat/completions",
     .summary = "An answer to a chat (OpenAI)",
     .prepare = routes::prepare_chat,
     .body = openai::chat_request_schema,
     .streams = true},
    {.method = "POST",
     .path = "/v1/completions",
     .summary = "What follows a text (OpenAI)",
     .prepare = routes::prepare_text,
     .body = openai::completion_request_schema,
     .streams = true},
    {.method = "POST",
     .path = "/v1/responses",
     .summary = "An answer to items (OpenAI); nothing is kept",
     .prepare = routes::prepare_responses,
     .body = openai::responses_request_schema,
     .streams = true},
    {.method = "POST",
     .path = "/v1/messages",
     .summary = "An answer to a chat (Anthropic)",
     .prepare = routes::prepare_messages,
     .body = anthropic::messages_request_schema,
     .streams = true},
    {.method = "POST",
     .path = "/v1/messages/count_tokens",
     .summary = "The tokens of a chat (Anthropic)",
     .prepare = routes::prepare_count_tokens,
     .body = anthropic::count_request_schema},
    {.method = "POST",
     .path = "/v1/embeddings",
     .summary = "Vectors of texts (OpenAI)",
     .prepare = routes::prepare_embeddings,
     .body = openai::embeddings_request_schema},
    {.method = "POST",
     .path = "/v1/rerank",
     .summary = "Documents by how well they answer",
     .prepare = routes::prepare_rerank,
     .body = openai::rerank_request_schema},
    {.method = "POST",
     .path = "/v2/rerank",  // where Cohere's newer clients look
     .summary = "The same",
     .prepare = routes::prepare_rerank,
     .body = openai::rerank_request_schema},
    {.method = "POST",
     .path = "/classify",
     .summary = "What a classifier says of texts, a reward model of a chat (vLLM)",
     .prepare = routes::prepare_classify,
     .body = openai::classify_request_schema},
    {.method = "POST",
     .path = "/tokenize",
     .summary = "Tokens of a text or a chat",
     .prepare = routes::prepare_tokenize,
     .body = openai::tokenize_request_schema},
    {.method = "POST",
     .path = "/detokenize",
     .summary = "The text of tokens",
     .prepare = routes::prepare_detokenize,
     .body = openai::detokenize_request_schema},
    {.method = "POST",
     .path = "/apply-template",
     .summary = "A chat as the model reads it",
     .prepare = routes::prepare_template,
     .body = openai::template_request_schema},
    {.method = "POST",
     .path = "/v1/load_lora_adapter",
     .summary = "Makes an adapter that lies on the server one that may be asked (vLLM)",
     .prepare = routes::prepare_load_adapter,
     .body = openai::load_adapter_request_schema,
     .content_type = "text/plain; charset=utf-8"},
    {.method = "POST",
     .path = "/v1/unload_lora_adapter",
     .summary = "Takes an adapter away (vLLM)",
     .prepare = routes::prepare_unload_adapter,
     .body = openai::unload_adapter_request_schema,
     .content_type = "text/plain; charset=utf-8"},
};

}  // namespace

std::span<const Route> route_table() { return kRoutes; }

}  // namespace pelton
