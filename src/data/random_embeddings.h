// Vectors in bundles around random directions, for tests.
#pragma once

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "data/embedding_table.h"

namespace pelton::data {

class RandomEmbeddings {
 public:
  // `spread`: how far the vectors of a bundle lie from its direction, by a coordinate.
  RandomEmbeddings(uint64_t seed, int64_t width, int bundles, int per_bundle, double spread) : width_(width) {
    Rng rng(seed);
    for (int bundle = 0; bundle < bundles; ++bundle) {
      std::vector<double> direction;
      for (int64_t d = 0; d < width; ++d) direction.push_back(static_cast<double>(rng.next_symmetric()));
      for (int i = 0; i < per_bundle; ++i) {
        std::vector<double> row = direction;
        for (double& number : row) number += spread * static_cast<double>(rng.next_symmetric());
        add(row);
      }
    }
  }
  RandomEmbeddings() = default;

  void add(const std::vector<double>& row) {
    width_ = static_cast<int64_t>(row.size());
    double squares = 0;
    for (const double number : row) squares += number * number;
    const double length = squares == 0 ? 1 : std::sqrt(squares);
    for (const double number : row) numbers_.push_back(static_cast<float>(number / length));
  }
  void add_at(double degrees) { add({std::cos(degrees * M_PI / 180), std::sin(degrees * M_PI / 180)}); }
  void add_nothing() { numbers_.insert(numbers_.end(), static_cast<size_t>(width_), 0.0F); }
  void add_copy(uint32_t record) {
    const std::vector<float> row(table().row(record).begin(), table().row(record).end());
    numbers_.insert(numbers_.end(), row.begin(), row.end());
  }

  EmbeddingTable table() const { return {numbers_, width_}; }

 private:
  int64_t width_ = 0;
  std::vector<float> numbers_;
};

}  // namespace pelton::data
