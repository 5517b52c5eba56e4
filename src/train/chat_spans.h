// What of a rendered chat the assistant said: the bytes that a model learns.
//
// Where the template marks it ({% generation %} … {% endgeneration %}, Hugging Face's convention), by these. Else
// by rendering the chat turn by turn: what stands before an answer is the rendering of all messages before it with the
// prompt for the assistant, and must be what the whole chat's rendering begins with; so must the rendering of
// all messages up to the answer. Both are compared byte by byte: where a template writes an earlier turn otherwise once
// another follows (as those do that drop old thoughts), the answer's place is not proven, and the chat is refused.
#pragma once

#include <string>
#include <vector>

#include "text/chat_template.h"
#include "train/token_spans.h"

namespace pelton {

// Ascending, disjoint spans of what render() gives for `input` (whose add_generation_prompt must be off), one or more a
// turn of the assistant. The ends of turns that the template writes are in them, and
// what it writes behind these too. Turns with "weight": 0 have none. Errors: those of render(); kInvalidArgument (the
// place of an answer cannot be proven).
std::vector<TextSpan> assistant_spans(const ChatTemplate& chat_template, const ChatTemplate::Input& input,
                                      std::string_view rendered);

}  // namespace pelton
