#include "serve/tenants.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/sha256.h"
#include "serve/rate_limits.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

class KeyFile : public testing::Test {
 protected:
  void write(const std::string& text) const { std::ofstream(path) << text; }
  static std::string line(const std::string& key, const std::string& rest) {
    return sha256_hex(key) + " " + rest + "\n";
  }
  std::string fault() const {
    return error_of([&] { Tenants{path}; }).what();
  }

  TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "keys";
};

TEST(Tenants, PublishNothingThatASaltKeepsApart) {
  const Caller caller{.tenant = "acme"}, member{.tenant = "acme", .share_group = "team"};

  EXPECT_TRUE(may_publish(caller.partition("")));
  EXPECT_TRUE(may_publish(member.partition("")));
  EXPECT_FALSE(may_publish(caller.partition("a")));
  EXPECT_FALSE(may_publish(member.partition("a")));
}

TEST(Sha256, IsThatOfFips180) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Tenants, WithoutKeysThereIsOneLocalTenant) {
  const Tenants tenants("");

  EXPECT_FALSE(tenants.has_keys());
  EXPECT_EQ(tenants.find("anything")->tenant, "");
  EXPECT_EQ(tenants.find("")->partition(""), "");
}

TEST_F(KeyFile, SaysWhoseAKeyIs) {
  write("# keys\n\n" + line("one", "acme group=support metrics") + line("two", "globex") +
        line("four", "ops operator"));
  const Tenants tenants(path);

  EXPECT_EQ(tenants.find("one")->tenant, "acme");
  EXPECT_EQ(tenants.find("one")->share_group, "support");
  EXPECT_TRUE(tenants.find("one")->may_read_metrics);
  EXPECT_EQ(tenants.find("two")->share_group, "");
  EXPECT_FALSE(tenants.find("two")->may_read_metrics);
  EXPECT_FALSE(tenants.find("one")->is_operator);
  EXPECT_TRUE(tenants.find("four")->is_operator && tenants.find("four")->may_read_metrics);
  EXPECT_FALSE(tenants.find("three"));
  EXPECT_FALSE(tenants.find(""));
  EXPECT_FALSE(tenants.find(sha256_hex("one")));  // the file's content opens nothing
}

TEST_F(KeyFile, SaysHowOftenATenantMayAsk) {
  write(line("one", "acme rate=30") + line("two", "acme") + line("three", "globex"));
  const Tenants tenants(path);
  EXPECT_EQ(tenants.find("one")->requests_per_minute, 30);
  EXPECT_EQ(tenants.find("two")->requests_per_minute, 30);  // it is the tenant's
  EXPECT_EQ(tenants.find("three")->requests_per_minute, 0);

  for (const char* rate : {"rate=", "rate=0", "rate=-1", "rate=1.5", "rate=1000001", "rate=x"}) {
    write(line("one", std::string("acme ") + rate));
    EXPECT_NE(
        fault().find("expected 'group=NAME', 'memory=MiB', 'metrics', 'operator' or 'rate=N'"),
        std::string::npos);
  }
}

TEST_F(KeyFile, SaysHowMuchMemoryATenantMayTake) {
  using Quotas = std::map<std::string, int64_t>;
  write(line("one", "acme memory=64 rate=2") + line("two", "acme") + line("three", "globex"));
  Tenants tenants(path);
  EXPECT_EQ(tenants.memory_quotas(), (Quotas{{"acme", 64 << 20}}));

  write(line("one", "acme") + line("three", "globex memory=1") + line("four", "globex memory=1"));
  tenants.reload();
  EXPECT_EQ(tenants.memory_quotas(), (Quotas{{"globex", 1 << 20}}));
  EXPECT_TRUE(Tenants("").memory_quotas().empty());
}

TEST_F(KeyFile, TakesEachWordOnceALine) {
  write(line("one", "acme group=a group=b"));
  EXPECT_EQ(fault(), path.string() + ":1: expected 'group' once, found it again");
  write(line("one", "acme rate=1 metrics rate=2"));
  EXPECT_EQ(fault(), path.string() + ":1: expected 'rate' once, found it again");

  write(line("one", "acme group=a") + line("two", "acme group=b"));
  EXPECT_EQ(Tenants(path).find("two")->share_group, "b");
}

// As one is that is being written anew: it would shut everybody out.
TEST_F(KeyFile, RefusesAFileWithoutKeys) {
  for (const char* text : {"", "\n", "# none yet\n"}) {
    write(text);
    EXPECT_EQ(fault(), path.string() + ": expected a key at least, found none");
  }
}

TEST_F(KeyFile, RefusesMemoryThatMakesNoSense) {
  for (const char* memory : {"memory=", "memory=0", "memory=-1", "memory=1.5", "memory=16777217"}) {
    write(line("one", std::string("acme ") + memory));
    EXPECT_NE(fault().find("expected 'group=NAME', 'memory=MiB'"), std::string::npos);
  }
  write(line("one", "acme memory=2") + line("two", "acme memory=3"));
  EXPECT_EQ(fault(), path.string() + ":2: tenant 'acme' has memory=2 already, found memory=3");
  write(line("one", "acme rate=2") + line("two", "acme rate=3"));
  EXPECT_EQ(fault(), path.string() + ":2: tenant 'acme' has rate=2 already, found rate=3");
}

TEST(RateLimits, GiveAMinutesWorthAndThenAsItPasses) {
  RateLimits limits;
  const RateLimits::Clock::time_point start{};
  const auto at = [&](double seconds) {
    return start + std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds));
  };
  for (int request = 0; request < 6; ++request) EXPECT_EQ(limits.take("a", 6, at(0)), 0);
  EXPECT_EQ(limits.take("a", 6, at(0)), 10);
  EXPECT_EQ(limits.take("b", 6, at(0)), 0);  // others have their own
  EXPECT_EQ(limits.take("a", 6, at(4)), 6);
  EXPECT_EQ(limits.take("a", 6, at(10.5)), 0);
  EXPECT_GT(limits.take("a", 6, at(10.5)), 0);
  for (int request = 0; request < 6; ++request) EXPECT_EQ(limits.take("a", 6, at(1000)), 0);
  EXPECT_GT(limits.take("a", 6, at(1000)), 0);  // what was not used does not pile up
}

TEST_F(KeyFile, IsReadAgainAndKeptWhereItIsBroken) {
  write(line("one", "acme"));
  Tenants tenants(path);

  write(line("two", "acme"));
  tenants.reload();
  EXPECT_FALSE(tenants.find("one"));
  EXPECT_TRUE(tenants.find("two"));

  write("nonsense\n");
  EXPECT_THROW(tenants.reload(), Error);
  EXPECT_TRUE(tenants.find("two"));
}

TEST_F(KeyFile, NamesTheLineThatIsWrong) {
  const std::string name = path.string();
  write("secret acme\n");
  EXPECT_EQ(fault(), name + ":1: expected the SHA-256 of a key in 64 hexadecimal digits");
  write("\n" + line("one", ""));
  EXPECT_EQ(fault(), name + ":2: expected a tenant's name behind the key's hash");
  write(line("one", "a/b"));
  EXPECT_EQ(fault(), name + ":1: expected a tenant's name behind the key's hash");
  write(line("one", "acme group=a:b"));
  EXPECT_EQ(fault(), name +
                         ":1: expected 'group=NAME', 'memory=MiB', 'metrics', 'operator' or "
                         "'rate=N', found 'group=a:b'");
  write(line("one", "acme") + line("one", "globex"));
  EXPECT_EQ(fault(), name + ":2: this key is listed before");
}

TEST(Caller, PartitionsAreEqualWithinATenantOrGroupOnly) {
  const Caller acme{.tenant = "acme"}, globex{.tenant = "globex"};
  const Caller a{.tenant = "a", .share_group = "g"}, b{.tenant = "b", .share_group = "g"};
  const Caller named_as_group{.tenant = "g"};

  EXPECT_EQ(a.partition(""), b.partition(""));
  const std::set<std::string> all{
      acme.partition(""),           globex.partition(""),   a.partition(""),
      named_as_group.partition(""), acme.partition("s"),    acme.partition("t"),
      globex.partition("s"),        a.partition("s"),       b.partition("s"),
      Caller{}.partition(""),       Caller{}.partition("s")};
  EXPECT_EQ(all.size(), 11u);
}

TEST(Caller, TenantsHaveWhatTheyKeepAloneOrPutIntoAGroup) {
  EXPECT_TRUE(is_of_tenant("acme", "acme", "any"));
  EXPECT_TRUE(is_of_tenant("acme", "salt:acme:x", "any"));
  EXPECT_TRUE(is_of_tenant("acme", "group:g", "acme/chatcmpl-1"));
  EXPECT_FALSE(is_of_tenant("acme", "group:g", "acme2/chatcmpl-1"));
  EXPECT_FALSE(is_of_tenant("acme", "salt:acme2:acme", "acme/1"));
  EXPECT_FALSE(is_of_tenant("acme", "globex", "acme/1"));
  EXPECT_FALSE(is_of_tenant("g", "group:g", "acme/1"));
}

TEST(Caller, NoSaltReachesAnotherPartition) {
  const Caller acme{.tenant = "acme"};

  for (const char* salt : {"acme", "globex", "group:g", "salt:globex:s", ":globex:s", "\n"})
    EXPECT_TRUE(acme.partition(salt).starts_with("salt:acme:")) << salt;
}

}  // namespace
}  // namespace kvs::test
