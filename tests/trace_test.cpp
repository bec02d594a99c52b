#include "kvs/trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include "eval/block_store.h"
#include "support/errors.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

// The store as it is defined, without any index: everything is searched for each time.
class NaiveStore {
 public:
  NaiveStore(size_t capacity, bool weighted) : capacity_(capacity), weighted_(weighted) {}

  int64_t replay(const std::vector<TraceBlock>& prompt) {
    ++now_;
    size_t found = 0;
    while (found < prompt.size() && find(prompt[found].hash)) ++found;
    for (size_t at = 0; at < found; ++at) find(prompt[at].hash)->used = now_;
    size_t held = found;
    for (; held < prompt.size(); ++held) {
      if (entries_.size() == capacity_ && !evict()) break;
      entries_.push_back({.hash = prompt[held].hash,
                          .parent = held > 0 ? prompt[held - 1].hash : -1,
                          .used = now_});
    }
    for (size_t at = 0; at < held; ++at) {
      Entry& entry = *find(prompt[at].hash);
      ++entry.uses;
      entry.priority = weighted_ ? clock_ + static_cast<double>(entry.uses) * prompt[at].cost : 0;
    }
    return static_cast<int64_t>(found);
  }

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    int64_t hash = 0, parent = -1, used = 0, uses = 0;
    double priority = 0;
  };

  Entry* find(int64_t hash) {
    const auto at = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& entry) { return entry.hash == hash; });
    return at == entries_.end() ? nullptr : &*at;
  }

  bool evict() {
    auto least = entries_.end();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      const bool continued = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& other) {
        return other.parent == entry->hash;
      });
      if (continued || entry->used == now_) continue;
      if (least == entries_.end() ||
          std::pair(entry->priority, entry->used) < std::pair(least->priority, least->used))
        least = entry;
    }
    if (least == entries_.end()) return false;
    clock_ = std::max(clock_, least->priority);
    entries_.erase(least);
    return true;
  }

  size_t capacity_;
  bool weighted_;
  int64_t now_ = 0;
  double clock_ = 0;
  std::vector<Entry> entries_;
};

// Prompts that go on from earlier ones anywhere, some of them often.
std::vector<std::vector<TraceBlock>> random_prompts(unsigned seed, int count) {
  std::mt19937 random(seed);
  std::vector<std::vector<TraceBlock>> prompts;
  int64_t next = 0;
  for (int at = 0; at < count; ++at) {
    std::vector<TraceBlock> prompt;
    if (at > 0 && random() % 4 > 0) {
      const auto& earlier = prompts[random() % 3 == 0 ? random() % 5 % prompts.size()
                                                      : prompts.size() - 1 - random() % at];
      prompt.assign(earlier.begin(), earlier.begin() + random() % (earlier.size() + 1));
    }
    const size_t more = random() % 6 + (prompt.empty() ? 1 : 0);
    for (size_t block = 0; block < more; ++block)
      prompt.push_back({next++, 1 + static_cast<double>(prompt.size()) / 4});
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

class Stores : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Rules, Stores, testing::Bool(),
                         [](const auto& rule) { return rule.param ? "cost" : "lru"; });

TEST_P(Stores, HoldWhatTheDefinitionSays) {
  for (const unsigned seed : {1U, 2U, 3U})
    for (const int capacity : {1, 2, 7, 30, 100}) {
      BlockStore store(capacity, GetParam());
      NaiveStore naive(capacity, GetParam());
      for (const auto& prompt : random_prompts(seed, 400)) {
        ASSERT_EQ(store.replay(prompt), naive.replay(prompt)) << seed << " " << capacity;
        ASSERT_EQ(store.size(), static_cast<int64_t>(naive.size()));
        ASSERT_LE(store.size(), capacity);
      }
    }
}

TEST_P(Stores, FindNothingBehindAGap) {
  BlockStore store(3, GetParam());
  const std::vector<TraceBlock> prompt{{1, 1}, {2, 1}, {3, 1}, {4, 1}};

  EXPECT_EQ(store.replay(prompt), 0);
  EXPECT_EQ(store.replay(prompt), 3);  // there is no room for the fourth
}

TEST(Stores, OfCostsKeepWhatIsDear) {
  BlockStore plain(2, false), weighted(2, true);
  const std::vector<TraceBlock> dear{{1, 10}}, one{{2, 1}}, other{{3, 1}};
  for (BlockStore* store : {&plain, &weighted})
    for (const auto& prompt : {dear, one, other}) store->replay(prompt);

  EXPECT_EQ(plain.replay(dear), 0);
  EXPECT_EQ(weighted.replay(dear), 1);
}

Json replay(const std::string& text, const TraceOptions& options) {
  std::istringstream in(text);
  return run_trace(in, "t.jsonl", options);
}

const Json& store_of(const Json& json, size_t at) {
  return json.get("stores").as_array().at(at);
}

TEST(Trace, CountsTokensThatAreFound) {
  const std::string text =
      "{\"timestamp\":0,\"input_length\":10,\"output_length\":9,\"hash_ids\":[7,8,9]}\n\n"
      "{\"timestamp\":5,\"input_length\":6,\"hash_ids\":[7,5]}\n"
      "{\"timestamp\":5,\"input_length\":8,\"hash_ids\":[7,8]}\n";

  const Json json =
      replay(text, {.block_tokens = 4, .token_bytes = 2, .memory = {int64_t{8} * 3, 100}});

  EXPECT_EQ(json.get("requests").as_int(), 3);
  EXPECT_EQ(json.get("tokens").as_int(), 24);
  EXPECT_EQ(json.get("blocks").as_int(), 7);
  EXPECT_EQ(json.get("distinct_blocks").as_int(), 4);
  ASSERT_EQ(json.get("stores").as_array().size(), 4U);
  // Room for three blocks: the second prompt sends away block 9. Both blocks of the third are
  // there, but its last token is computed all the same.
  EXPECT_EQ(store_of(json, 0).get("policy").as_string(), "lru");
  EXPECT_EQ(store_of(json, 0).get("blocks").as_int(), 3);
  EXPECT_NEAR(store_of(json, 0).get("hit_rate").as_number(), (4 + 7) / 24.0, 1e-6);
  EXPECT_EQ(store_of(json, 2).get("policy").as_string(), "cost");
  EXPECT_NEAR(json.get("unlimited").get("hit_rate").as_number(), (4 + 7) / 24.0, 1e-6);
  EXPECT_EQ(json.get("unlimited").get("bytes").as_int(), 4 * 4 * 2);
  EXPECT_NEAR(json.get("unlimited").get("work_spared").as_number(), 12 / 24.0, 1e-4);
}

// The committed beginning of the conversation trace, beside the naive stores.
TEST(Trace, AgreesWithTheDefinitionOnRealRequests) {
  std::ifstream in(data_path("traces/conversation.jsonl"));
  const int64_t block_bytes = 512 * 1000;
  TraceOptions options{.token_bytes = 1000};
  for (const int64_t blocks : {20, 100, 400}) options.memory.push_back(blocks * block_bytes);

  const Json json = run_trace(in, "conversation", options);

  EXPECT_EQ(json.get("requests").as_int(), 200);
  for (size_t at = 0; at < 6; ++at) {
    const int64_t capacity = store_of(json, at).get("blocks").as_int();
    NaiveStore naive(capacity, at >= 3);
    std::ifstream again(data_path("traces/conversation.jsonl"));
    TraceReader reader(again, "conversation", 512);
    double hits = 0, tokens = 0;
    while (const auto request = reader.next()) {
      std::vector<TraceBlock> prompt;
      for (size_t block = 0; block < request->hashes.size(); ++block) {
        const double first = static_cast<double>(block) * 512;
        const double count = std::min(512.0, static_cast<double>(request->tokens) - first);
        prompt.push_back({request->hashes[block], count * (1 + (first + count / 2) / 32768)});
      }
      const int64_t found = naive.replay(prompt);
      hits += static_cast<double>(std::min(found * 512, request->tokens - 1));
      tokens += static_cast<double>(request->tokens);
    }
    EXPECT_NEAR(store_of(json, at).get("hit_rate").as_number(), hits / tokens, 1e-6) << capacity;
  }
  EXPECT_GT(json.get("unlimited").get("hit_rate").as_number(), 0.05);
}

TEST(Trace, SaysWhatIsWrong) {
  const auto message = [](const std::string& text) {
    const Error error = error_of([&] { replay(text, {.block_tokens = 4, .memory = {1 << 20}}); });
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return std::string(error.what());
  };
  const std::string good = "{\"timestamp\":3,\"input_length\":5,\"hash_ids\":[1,2]}\n";

  EXPECT_EQ(message("\n"), "t.jsonl: no requests");
  EXPECT_EQ(message(good + "{"), "t.jsonl:2: not valid JSON at byte 2");
  EXPECT_EQ(message("{}"), "t.jsonl:1: field 'timestamp' is missing");
  EXPECT_EQ(message(R"({"timestamp":"x"})"),
            "t.jsonl:1: field 'timestamp': expected a number, found string");
  EXPECT_EQ(message(R"({"timestamp":1,"input_length":0})"),
            "t.jsonl:1: field 'input_length': expected an integer from 1 to 1099511627776, found "
            "0");
  EXPECT_EQ(message(R"({"timestamp":1,"input_length":5})"),
            "t.jsonl:1: field 'hash_ids' is missing");
  EXPECT_EQ(message(R"({"timestamp":1,"input_length":5,"hash_ids":[1,"b"]})"),
            "t.jsonl:1: field 'hash_ids': expected integers, found string");
  EXPECT_EQ(message(R"({"timestamp":1,"input_length":5,"hash_ids":[1,2,3]})"),
            "t.jsonl:1: field 'hash_ids': expected 2 for 5 tokens in blocks of 4, found 3");
  EXPECT_EQ(message(good + R"({"timestamp":2,"input_length":5,"hash_ids":[1,2]})"),
            "t.jsonl:2: field 'timestamp': 2 comes behind 3, expected the order of time");
  EXPECT_EQ(message(good + R"({"timestamp":3,"input_length":5,"hash_ids":[3,2]})"),
            "t.jsonl:2: hash 2 stands behind different blocks");
  EXPECT_EQ(message(good + R"({"timestamp":3,"input_length":1,"hash_ids":[2]})"),
            "t.jsonl:2: hash 2 stands behind different blocks");
  EXPECT_EQ(message(R"({"timestamp":3,"input_length":5,"hash_ids":[3,3]})"),
            "t.jsonl:1: hash 3 stands behind different blocks");
}

TEST(Trace, RefusesMemoryForLessThanABlock) {
  const Error error = error_of([] { replay("", {.token_bytes = 10, .memory = {5119}}); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(), "memory of 5119 bytes: a block of 512 tokens takes 5120");
}

TEST(Trace, StopsAtItsLimit) {
  std::ifstream in(data_path("traces/conversation.jsonl"));
  int64_t told = 0;

  const Json json = run_trace(in, "conversation", {.limit = 12, .on_request = [&] { ++told; }});

  EXPECT_EQ(json.get("requests").as_int(), 12);
  EXPECT_EQ(told, 12);
}

}  // namespace
}  // namespace kvs::test
