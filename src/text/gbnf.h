// llama.cpp's grammars (GBNF, grammars/README.md there) as Lark, which `llguidance` reads.
#pragma once

#include <string>
#include <string_view>

namespace pelton {

// It accepts exactly what it accepts there, which Lark's lexer, for whom the longest lexeme wins, has to be led to: a
// grammar without recursion becomes one terminal; of any other each character is a lexeme of its own.
// Errors: kInvalidArgument (with the line: a syntax error, a rule that is missing, defined twice or nested too deep),
// kUnsupported (elements that name tokens, as <think>).
std::string gbnf_to_lark(std::string_view gbnf);

}  // namespace pelton
