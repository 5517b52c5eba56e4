// gpt-oss as it is published: experts in MXFP4 (OCP Microscaling Formats 1.0), NAME_blocks U8 [E, out, in / 32, 16], of
// whose bytes each holds two neighbours, the first in the low nibble, and NAME_scales U8 [E, out, in / 32]. Here they
// are one tensor NAME of our type, [E, out, in], where files of other types have [E, in, out].
#include <fmt/format.h>

#include "model/prequantised/method.h"

namespace pelton::prequantised {
namespace {

constexpr int64_t kBlockValues = 32;
constexpr int64_t kCodeBytes = kBlockValues / 2;

std::string describe(const json::object&) { return "4 bits, blocks of 32"; }

// Neighbours in a byte → in ggml's order values 16 apart.
void put_codes(const std::byte* pairs, std::byte* target) {
  const auto code_at = [&](int64_t value) {
    const auto pair = static_cast<uint8_t>(pairs[value / 2]);
    return value % 2 == 0 ? pair & 15 : pair >> 4;
  };
  for (int64_t i = 0; i < kCodeBytes; ++i) {
    target[i] = static_cast<std::byte>(code_at(i) | code_at(i + kCodeBytes) << 4);
  }
}

Tensor decode(const json::object&, const ModuleTensors& tensors) {
  const Tensor blocks = tensors.at("blocks");
  const Shape& shape = blocks.shape();
  if (blocks.type() != ElementType::kU8 || shape.rank() != 4 || shape[3] != kCodeBytes || shape.element_count() == 0) {
    tensors.fail("blocks", fmt::format("is {} {}; expected u8 [experts, rows, blocks, {}]",
                                       element_type_name(blocks.type()), shape.to_string(), kCodeBytes));
  }
  const Tensor scales = tensors.at("scales");
  const Shape scale_shape = {shape[0], shape[1], shape[2]};
  if (scales.type() != ElementType::kU8 || scales.shape() != scale_shape) {
    tensors.fail("scales", fmt::format("is {} {}; expected u8 {}", element_type_name(scales.type()),
                                       scales.shape().to_string(), scale_shape.to_string()));
  }
  Tensor joined(ElementType::kMXFP4, {shape[0], shape[1], shape[2] * kBlockValues});
  std::byte* target = joined.mutable_data();
  for (int64_t block = 0; block < scale_shape.element_count(); ++block, target += 1 + kCodeBytes) {
    constexpr std::byte kNotANumber{0xFF};
    if (scales.data()[block] == kNotANumber) tensors.fail("scales", "holds a value that is not finite");
    target[0] = scales.data()[block];
    put_codes(blocks.data() + block * kCodeBytes, target + 1);
  }
  return joined;
}

}  // namespace

const Method kMxfp4 = {"mxfp4", {"blocks", "scales"}, describe, decode, "_", ""};

}  // namespace pelton::prequantised
