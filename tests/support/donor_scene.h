#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kvs/donor_store.h"
#include "support/token_texts.h"

namespace kvs::test {

/// Texts and rows for stores of donors over a small pool.
class Donors : public testing::Test {
 protected:
  static Tokens text(uint64_t seed, int64_t count = 128) {
    std::mt19937_64 random(seed);
    return random_tokens(random, count, 50'000);
  }

  // `exact` rows, then approximate ones.
  KvView rows(int64_t count, int64_t exact = 1 << 20) {
    KvView view;
    view.append_fresh(pool, std::min(count, exact), true);
    if (count > exact) view.append_fresh(pool, count - exact, false);
    return view;
  }

  void add(DonorStore& store, const std::string& id, const std::string& tenant,
           const Tokens& tokens) {
    store.add(id, tenant, tokens, rows(std::ssize(tokens)));
  }

  static std::vector<std::string> ids(DonorStore& store, const Tokens& tokens,
                                      const std::string& tenant = "a") {
    std::vector<std::string> found;
    for (const ReuseDonor& donor : store.find({.tokens = tokens, .tenant = tenant}))
      found.push_back(donor.id);
    return found;
  }

  static void use(DonorStore& store, const Tokens& tokens, const std::string& tenant) {
    std::vector<ReuseDonor> found = store.find({.tokens = tokens, .tenant = tenant});
    store.load(found.at(0), std::ssize(tokens));
  }

  std::unique_ptr<Backend> backend = make_backend({.device = "cpu", .threads = 1});
  KvLayout layout{.layers = 1, .kv_heads = 1, .head_dim = 8};
  KvPool pool{*backend, layout, 64};
};

using Ids = std::vector<std::string>;

}  // namespace kvs::test
