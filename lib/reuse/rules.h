#pragma once

#include <memory>

#include "kvs/selector.h"

// The rules, one file each.
namespace kvs {

/// Layers that cacheblend and dhd compute in full: deviation is first seen in the second.
constexpr int kFullLayers = 2;

std::unique_ptr<Selector> make_epic();
std::unique_ptr<Selector> make_cacheblend();
std::unique_ptr<Selector> make_dhd();
std::unique_ptr<Selector> make_probe();
std::unique_ptr<Selector> make_kvshare();

}  // namespace kvs
