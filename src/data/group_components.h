// Items that come one by one and are joined to those before them, component by component: whoever belongs to a
// component already is not asked about its members, so that n equal items cost n questions and not n². Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pelton::data {

class GroupComponents {
 public:
  enum class Answer {
    kJoin,  // they belong together
    kNext,  // not these two; ask about the component's next member
    kStop,  // leave the item alone
  };

  // `labels[item]`: items of one label belong together from the start.
  explicit GroupComponents(const std::vector<uint32_t>& labels) : labels_(labels) {}

  // Items in ascending order, each once. `ask(other) -> Answer` about earlier ones that the item is not joined to.
  template <typename Ask>
  void take_in(uint32_t item, const Ask& ask) {
    auto [place, is_new] = of_label_.try_emplace(labels_[item], components_.size());
    if (is_new) {
      components_.emplace_back();
      order_.push_back(place->second);
    }
    size_t own = resolve(place->second);
    for (size_t i = 0; i < order_.size(); ++i) {
      const size_t other = order_[i];
      if (other == own) continue;
      const Answer answer = ask_about(components_[other].members, ask);
      if (answer == Answer::kStop) break;
      if (answer == Answer::kNext) continue;
      const size_t kept = std::min(own, other);
      const size_t gone = std::max(own, other);
      merge(gone, kept);
      const auto position = std::find(order_.begin(), order_.end(), gone);
      if (position <= order_.begin() + static_cast<std::ptrdiff_t>(i)) --i;
      order_.erase(position);
      own = kept;
    }
    components_[own].members.push_back(item);
  }

 private:
  struct Component {
    std::vector<uint32_t> members;
    size_t merged_into = SIZE_MAX;  // SIZE_MAX: into none
  };

  template <typename Ask>
  static Answer ask_about(const std::vector<uint32_t>& members, const Ask& ask) {
    for (const uint32_t member : members) {
      const Answer answer = ask(member);
      if (answer != Answer::kNext) return answer;
    }
    return Answer::kNext;
  }
  size_t resolve(size_t component) const {
    while (components_[component].merged_into != SIZE_MAX) component = components_[component].merged_into;
    return component;
  }
  void merge(size_t from, size_t into) {
    std::vector<uint32_t>& members = components_[into].members;
    members.insert(members.end(), components_[from].members.begin(), components_[from].members.end());
    components_[from] = {{}, into};
  }

  const std::vector<uint32_t>& labels_;
  std::unordered_map<uint32_t, size_t> of_label_;
  std::vector<Component> components_;
  std::vector<size_t> order_;  // components that are not merged into another
};

}  // namespace pelton::data
