// From the environment to what requests need.
#pragma once

#include "hub/hub_session.h"
#include "hub/pull.h"

namespace pelton {

// `observer` and `stops` outlive it. Errors kInvalidArgument: HF_ENDPOINT, the token.
HubAccess make_access(const HubEnvironment& environment, const PullOptions& options, PullObserver& observer,
                      std::atomic<bool>& stops);

}  // namespace pelton
