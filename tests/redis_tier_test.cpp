#include <gtest/gtest.h>

#include <thread>

#include "engine/redis_connection.h"
#include "support/errors.h"
#include "support/redis_server.h"
#include "support/tier_scene.h"

namespace kvs::test {
namespace {

TEST(RedisUrl, SaysWhereTheServerIs) {
  const RedisAddress plain = parse_redis_url("redis://cache");
  EXPECT_EQ(plain.host, "cache");
  EXPECT_EQ(plain.port, 6379);
  EXPECT_EQ(plain.database, 0);

  const RedisAddress full = parse_redis_url("redis://me:se:cr@et@[::1]:7000/3");
  EXPECT_EQ(full.host, "::1");
  EXPECT_EQ(full.port, 7000);
  EXPECT_EQ(full.database, 3);
  EXPECT_EQ(full.user, "me");
  EXPECT_EQ(full.password, "se:cr@et");
  EXPECT_EQ(full.name(), "redis://[::1]:7000/3");
  EXPECT_EQ(parse_redis_url("redis://:pw@h/").password, "pw");
}

TEST(RedisUrl, IsRefusedWithoutShowingPasswords) {
  for (const char* url :
       {"", "cache", "http://cache", "redis://", "redis://h:0", "redis://h:65536", "redis://h:1x",
        "redis://h/x", "redis://secret@h", "redis://:secret@", "redis://a/b/1", "redis://[::1"}) {
    const Error error = error_of([&] { parse_redis_url(url); });
    EXPECT_EQ(error.kind(), ErrorKind::argument) << url;
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
  }
}

class RedisTier : public TierScene {
 protected:
  void SetUp() override {
    if (!RedisServer::is_installed()) GTEST_SKIP() << "redis-server is not installed";
    server = std::make_unique<RedisServer>();
  }

  TierOptions options(const std::string& database = "") const {
    return {.store = server->url() + database, .first_look_ms = kLong, .load_ms = kLong};
  }

  static TierState state(const Process& process) { return process.store.tiers().at(0); }

  // What other servers wrote, and whether the server is back, is looked for twice a second.
  template <typename Condition>
  static void wait_until(Process& process, Condition condition) {
    while (!condition()) {
      process.store.work_on_tiers();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  RedisReply ask(const std::vector<std::string_view>& words) const {
    return RedisConnection(parse_redis_url(server->url())).command(words);
  }

  std::vector<std::string> keys(const std::string& pattern) const {
    std::vector<std::string> found;
    const RedisReply reply = ask({"KEYS", pattern});
    for (size_t i = 0; i < reply->elements; ++i)
      found.emplace_back(reply->element[i]->str, reply->element[i]->len);
    return found;
  }

  std::unique_ptr<RedisServer> server;
};

TEST_F(RedisTier, SharesDonorsBetweenServers) {
  const auto one = process(options()), other = process(options());
  add(*one, "a", 1);
  finish(*one);
  wait_until(*other, [&] { return state(*other).donors == 1; });
  expect_found(*other, "a", 1);
  EXPECT_TRUE(look_up(*other, "b", text(1)).empty());

  add(*other, "a", 2);
  finish(*other);
  wait_until(*one, [&] { return state(*one).donors == 2; });
  expect_found(*one, "a", 2);

  const auto third = process(options());  // knows at the start what is there
  EXPECT_EQ(state(*third).donors, 2);
  expect_found(*third, "a", 1);
}

TEST_F(RedisTier, ShowsTenantsOnlyTheirOwn) {
  {
    const auto first = process(options());
    add(*first, "a", 1);
    add(*first, "", 2);
    finish(*first);
  }
  const auto second = process(options());
  EXPECT_EQ(state(*second).donors, 2);

  for (const char* tenant : {"b", "", "a/", "A", "*"})
    EXPECT_TRUE(look_up(*second, tenant, text(1)).empty()) << tenant;
  EXPECT_TRUE(look_up(*second, "a", text(2)).empty());
  EXPECT_EQ(state(*second).hits, 0);
  expect_found(*second, "a", 1);
  expect_found(*second, "", 2);
}

// Whoever copies it there.
TEST_F(RedisTier, RefusesWhatIsAnotherTenants) {
  {
    const auto first = process(options());
    add(*first, "a", 1);
    add(*first, "b", 2);
    finish(*first);
  }
  const auto group_of_key = [](const std::string& key) {
    return key.substr(0, key.find(":prompt:"));
  };
  const std::vector<std::string> prompts = keys("*:prompt:*");
  const std::string one = group_of_key(prompts.at(0)), other = group_of_key(prompts.at(1));
  for (const std::string& key : keys(one + ":*"))
    ask({"COPY", key, other + key.substr(one.size())});
  const std::string id = prompts.at(0).substr(prompts.at(0).rfind(':') + 1);
  const std::string news = other.substr(other.rfind(':') + 1) + " " + id;
  ask({"XADD", keys("*:news").at(0), "*", "prompt", news});
  const auto second = process(options());

  EXPECT_EQ(state(*second).damaged, 1);
  EXPECT_EQ(state(*second).donors, 2);
  EXPECT_TRUE(look_up(*second, "b", text(1)).empty());
  EXPECT_TRUE(look_up(*second, "a", text(2)).empty());
  expect_found(*second, "a", 1);
  expect_found(*second, "b", 2);
}

TEST_F(RedisTier, ForgetsWhatOthersWroteToo) {
  const auto one = process(options()), other = process(options());
  add(*one, "a", 1);
  add(*one, "b", 2);
  finish(*one);
  wait_until(*other, [&] { return state(*other).donors == 2; });

  const auto forgotten =
      other->store.forget([](const KeptDonor& donor) { return donor.tenant == "a"; });
  finish(*other);

  EXPECT_EQ(forgotten.at(1).place, "redis");
  EXPECT_EQ(forgotten.at(1).donors, 1);
  EXPECT_EQ(keys("kvshare:*:prompt:*").size(), 1u);
  EXPECT_EQ(keys("kvshare:*:rows:*").size(), 3u);
  EXPECT_TRUE(look_up(*one, "a", text(1)).empty());
  EXPECT_EQ(look_up(*one, "b", text(2)).size(), 1u);
}

TEST_F(RedisTier, ForgetsWhatItDoesNotKnowYet) {
  constexpr int kDonors = 100;
  {
    const auto one = process(options());
    for (uint64_t seed = 1; seed <= kDonors + 1; ++seed) {
      add(*one, "a", seed, 40);
      finish(*one);
    }
  }
  server->pause();
  TierOptions hasty = options();
  hasty.first_look_ms = 0;
  const auto other = process(hasty);
  const auto forget = [&](int seed) {
    const std::string id = "request " + std::to_string(seed);
    const auto which = [id](const KeptDonor& donor) { return donor.id == id; };
    return other->store.forget(which).at(1).reachable;
  };
  for (int seed = 1; seed <= kDonors; ++seed) forget(seed);
  for (int more = 0; more < 2048; ++more) forget(0);
  EXPECT_FALSE(forget(0));  // too many wait
  server->go_on();
  wait_until(*other, [&] { return !look_up(*other, "a", text(kDonors + 1, 40)).empty(); });
  finish(*other);

  EXPECT_EQ(state(*other).donors, 1);
  EXPECT_EQ(keys("*:prompt:*").size(), 1u);
  EXPECT_EQ(keys("*:rows:*").size(), 1u);
}

TEST_F(RedisTier, SaysWhereItCouldNotForget) {
  const auto all = [](const KeptDonor&) { return true; };
  const auto one = process(options());
  add(*one, "a", 1);
  finish(*one);
  server->kill();
  wait_until(*one, [&] { return !state(*one).reachable; });

  const auto forgotten = one->store.forget(all);

  EXPECT_FALSE(forgotten.at(1).reachable);
  EXPECT_EQ(forgotten.at(1).donors, 0);
  EXPECT_EQ(state(*one).donors, 1);
}

TEST_F(RedisTier, TellsOfAPromptThatAKilledServerHasPutOnly) {
  {
    const auto one = process(options());
    add(*one, "a", 1);
    finish(*one);
  }
  ask({"DEL", keys("*:news").at(0)});
  {
    const auto other = process(options());
    EXPECT_EQ(state(*other).donors, 0);
    add(*other, "a", 1);
    finish(*other);
  }
  const auto third = process(options());
  expect_found(*third, "a", 1);
}

TEST_F(RedisTier, LeavesOthersWhatIsTooOldForIt) {
  const auto one = process(options());
  add(*one, "a", 1);
  finish(*one);
  const auto impatient = process(options(), {.time_to_live_s = 1e-9});
  finish(*impatient);

  EXPECT_EQ(state(*impatient).donors, 0);
  expect_found(*one, "a", 1);
  EXPECT_EQ(keys("*:prompt:*").size(), 1u);
}

TEST_F(RedisTier, LeavesOthersRowsThatItNeverPut) {
  const Tokens whole = text(1);
  const auto queue = [&](Process& process, int64_t count) {
    const Tokens tokens(whole.begin(), whole.begin() + count);
    process.store.add_to_tiers("request 1", "a", tokens, rows(process.pool, 1, count));
  };
  {
    const auto one = process(options());
    queue(*one, 300);
    finish(*one);
  }
  ask({"DEL", keys("*:news").at(0)});
  const auto other = process(options());
  queue(*other, 300);
  queue(*other, 600);  // before the first is copied, which it makes needless
  finish(*other);

  EXPECT_EQ(keys("*:rows:*").size(), 4u);
}

TEST_F(RedisTier, HasTheServerDropWhatIsTooOld) {
  constexpr int64_t kHour = 3'600'000;  // ms
  const auto left = [&](const std::string& key) { return ask({"PTTL", key})->integer; };
  const auto one = process(options(), {.time_to_live_s = kHour / 1000});
  const Tokens whole = text(1), beginning(whole.begin(), whole.begin() + 256);
  one->store.add_to_tiers("request 1", "a", beginning, rows(one->pool, 1, 256));
  finish(*one);
  const std::string row = keys("*:rows:*").at(0), prompt = keys("*:prompt:*").at(0);
  EXPECT_GT(left(row), 0);
  EXPECT_GT(left(prompt), 0);
  ask({"PEXPIRE", row, std::to_string(kHour / 2)});

  add(*one, "a", 1);  // begins with the same rows
  finish(*one);

  EXPECT_GT(left(row), kHour / 2);
  EXPECT_LE(left(row), kHour);
}

TEST_F(RedisTier, IsPartOfNoOtherDatabase) {
  const auto one = process(options());
  add(*one, "a", 1);
  finish(*one);
  const auto other = process(options("/5"));

  EXPECT_EQ(state(*other).donors, 0);
  EXPECT_TRUE(state(*other).reachable);
}

TEST_F(RedisTier, MissesDamagedValuesAndRemovesThem) {
  const auto one = process(options());
  add(*one, "a", 1);
  finish(*one);
  for (const std::string& key : keys("*:rows:*")) ask({"SETRANGE", key, "1000", "damage"});

  const auto other = process(options());
  EXPECT_TRUE(look_up(*other, "a", text(1)).empty());
  EXPECT_EQ(state(*other).damaged, 1);
  EXPECT_EQ(other->store.take_warnings().size(), 1u);
  finish(*other);
  EXPECT_TRUE(keys("*:prompt:*").empty());

  add(*other, "a", 1);  // the whole of it is written again
  finish(*other);
  const auto third = process(options());
  expect_found(*third, "a", 1);
}

TEST_F(RedisTier, MissesDamagedPrompts) {
  const auto one = process(options());
  add(*one, "a", 1);
  finish(*one);
  ask({"SETRANGE", keys("*:prompt:*").at(0), "30", "damage"});
  ask({"XADD", keys("*:news").at(0), "*", "prompt", "nonsense"});

  const auto other = process(options());
  EXPECT_EQ(state(*other).donors, 0);
  EXPECT_EQ(state(*other).damaged, 1);
  EXPECT_TRUE(keys("*:prompt:*").empty());
}

TEST_F(RedisTier, MissesWhatTheServerHasDropped) {
  const auto one = process(options());
  add(*one, "a", 1);
  finish(*one);
  ask({"DEL", keys("*:rows:*").at(0)});

  EXPECT_TRUE(look_up(*one, "a", text(1)).empty());
  EXPECT_EQ(state(*one).lost, 1);
  EXPECT_EQ(state(*one).donors, 0);
}

TEST_F(RedisTier, CostsReuseOnlyWhereTheServerIsKilledAndComesBack) {
  const auto one = process(options());
  add(*one, "a", 1);
  finish(*one);
  server->kill();

  EXPECT_TRUE(look_up(*one, "a", text(1)).empty());
  for (uint64_t seed = 2; seed < 6; ++seed) {
    add(*one, "a", seed);
    EXPECT_TRUE(look_up(*one, "a", text(seed)).empty());
  }
  finish(*one);
  EXPECT_EQ(state(*one).failed_writes, 4);
  EXPECT_FALSE(state(*one).reachable);
  EXPECT_EQ(one->store.take_warnings().size(), 1u);

  server->start();  // and is empty
  wait_until(*one, [&] { return state(*one).reachable; });
  EXPECT_TRUE(look_up(*one, "a", text(1)).empty());
  add(*one, "a", 7);
  finish(*one);
  const auto other = process(options());
  expect_found(*other, "a", 7);
  EXPECT_TRUE(one->store.take_warnings().empty());
}

TEST_F(RedisTier, LetsNobodyWaitForAServerThatHangs) {
  const auto one = process(options());
  add(*one, "a", 1);
  finish(*one);
  server->pause();
  TierOptions impatient = options();
  impatient.load_ms = 1;
  impatient.first_look_ms = 10;
  const auto other = process(impatient);

  EXPECT_TRUE(look_up(*one, "a", text(1)).empty());  // ends, after a second
  add(*one, "a", 2);
  EXPECT_EQ(state(*other).donors, 0);
  EXPECT_EQ(state(*one).failed_reads + state(*one).late, 1);
  server->go_on();
  wait_until(*one, [&] { return !look_up(*one, "a", text(1)).empty(); });
  expect_found(*one, "a", 1);
}

TEST_F(RedisTier, MayBeMissingAtTheStart) {
  server->kill();
  const auto one = process(options());
  EXPECT_FALSE(state(*one).reachable);
  EXPECT_EQ(one->store.take_warnings().size(), 1u);

  server->start();
  wait_until(*one, [&] { return state(*one).reachable; });
  add(*one, "a", 1);
  finish(*one);
  EXPECT_EQ(state(*one).written, 1);
}

TEST_F(RedisTier, StandsBehindTheDisk) {
  const TemporaryFolder folder;
  TierOptions both = options();
  both.disk = folder.path().string();
  const auto one = process(both);
  add(*one, "a", 1);
  finish(*one);
  expect_found(*one, "a", 1);
  EXPECT_EQ(one->store.tiers().at(0).hits, 1);  // the disk is nearer
  EXPECT_EQ(one->store.tiers().at(1).hits, 0);

  const auto other = process(options());
  expect_found(*other, "a", 1);
}

}  // namespace
}  // namespace kvs::test
