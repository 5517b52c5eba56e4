#include "kernels/op_case.h"

#include "kernels/dot/dot.h"
#include "kernels/qdot/qdot.h"

namespace pelton {

std::vector<OpCase> all_op_cases() {
  std::vector<OpCase> cases;
  append_dot_cases(cases);
  append_qdot_cases(cases);
  return cases;
}

}  // namespace pelton
