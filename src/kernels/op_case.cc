#include "kernels/op_case.h"

#include "kernels/attention/attention.h"
#include "kernels/decode/decode.h"
#include "kernels/dot/dot.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/halfdot/halfdot.h"
#include "kernels/logits/logits.h"
#include "kernels/norm/norm.h"
#include "kernels/qdot/qdot.h"
#include "kernels/rope/rope.h"
#include "kernels/softmax/softmax.h"

namespace pelton {

std::vector<OpCase> all_op_cases() {
  std::vector<OpCase> cases;
  append_decode_cases(cases);
  append_dot_cases(cases);
  append_qdot_cases(cases);
  append_half_cases(cases);
  append_norm_cases(cases);
  append_rope_cases(cases);
  append_elementwise_cases(cases);
  append_softmax_cases(cases);
  append_logits_cases(cases);
  append_attention_cases(cases);
  return cases;
}

}  // namespace pelton
