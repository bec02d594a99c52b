#pragma once

#include <memory>

#include "kvs/selector.h"

// The rules, one file each.
namespace kvs {

std::unique_ptr<Selector> make_epic();
std::unique_ptr<Selector> make_cacheblend();
std::unique_ptr<Selector> make_dhd();
std::unique_ptr<Selector> make_probe();
std::unique_ptr<Selector> make_kvshare();

}  // namespace kvs
