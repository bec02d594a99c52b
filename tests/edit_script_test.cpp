#include "kvs/edit_script.h"

#include <gtest/gtest.h>

#include "kvs/align.h"
#include "kvs/cover.h"
#include "support/errors.h"
#include "support/token_texts.h"

namespace kvs {
namespace {

using test::counting;
using test::error_of;
using test::joined;
using test::Tokens;

PromptScript sample() {
  const Tokens body = counting(40, 100);
  const Tokens donor = joined({{1, 2, 3}, body, {4}});
  return {"q1", {{"p\"7", 0.875, 44}}, align(joined({{1, 9, 9}, body}), donor)};
}

std::string message_for(const std::string& line) {
  const Json json = Json::parse(line, "lines");
  const Error error = error_of([&] { script_from_json(json, "x.jsonl:3"); });
  EXPECT_EQ(error.kind(), ErrorKind::format);
  return error.what();
}

// The sample's line with one piece of text in another form.
std::string changed(const std::string& from, const std::string& to) {
  std::string line = script_to_json(sample()).dump();
  const size_t at = line.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return line.replace(at, from.size(), to);
}

TEST(EditScript, CountsItsTokens) {
  const EditScript script = sample().script;

  EXPECT_EQ(script.kept(), 41);
  EXPECT_EQ(script.moved(), 0);
  EXPECT_EQ(script.computed(), 2);
  EXPECT_EQ(script.target_tokens(), 43);
  EXPECT_DOUBLE_EQ(script.coverage(), 41.0 / 43.0);
}

TEST(EditScript, IsOneLineOfJson) {
  EXPECT_EQ(
      script_to_json(sample()).dump(),
      R"({"id":"q1","tokens":43,"donors":[{"id":"p\"7","similarity":0.875,"length":44,"tokens":41}],)"
      R"("ops":[{"op":"keep","target":0,"count":1,"source":0,"donor":0,"shift":0},)"
      R"({"op":"replace","target":1,"count":2,"source":0,"donor":1,"tokens":[9,9]},)"
      R"({"op":"keep","target":3,"count":40,"source":0,"donor":3,"shift":0},)"
      R"({"op":"delete","target":43,"count":1,"source":0,"donor":43}],)"
      R"("kept":41,"moved":0,"fuzzy":0,"computed":2,"coverage":0.9534883720930233})");
}

TEST(EditScript, ComesBackFromItsJson) {
  std::mt19937_64 random(6);
  for (int round = 0; round < 300; ++round) {
    const Tokens donor = test::random_tokens(random, test::pick(random, 150), 40);
    const Tokens target = test::shuffled_blocks(random, test::edited(random, donor, 0.1, 40), 30);
    const PromptScript prompt{"p",
                              {{"d", 0.5, static_cast<int64_t>(donor.size())}},
                              align(target, donor, {.min_span = 4})};

    const Json line = Json::parse(script_to_json(prompt).dump(), "line");

    ASSERT_EQ(script_from_json(line, "line"), prompt);
  }
}

TEST(EditScript, OfSeveralDonorsListsWhatEachReplaces) {
  const Tokens a = counting(50), b = counting(50, 100);
  Tokens first = joined({{7}, a, b});
  first[20] = 999;
  const Tokens second = joined({{8, 8}, counting(50, 300)});
  const Tokens target = joined({a, b, counting(50, 300)});
  const std::span<const int32_t> donors[] = {first, second};
  const int64_t lengths[] = {101, 52};

  const EditScript script = make_script(target, lengths, cover(target, donors));

  EXPECT_EQ(script.ops, (std::vector<EditOp>{{EditKind::remove, 0, 0, 0, 1},
                                             {EditKind::keep, 0, 0, 1, 19},
                                             {EditKind::replace, 0, 19, 20, 1},
                                             {EditKind::keep, 0, 20, 21, 80},
                                             {EditKind::keep, 1, 100, 2, 50}}));
  EXPECT_EQ(apply_script(script, donors), target);
}

TEST(EditScript, AFuzzySpanGivesItsTokensAndIsNoHole) {
  const Tokens donor = joined({counting(20), {500, 501, 502}, counting(20, 100)});
  const Tokens target = joined({counting(20), {900, 700, 901}, counting(20, 100)});
  const SourceSpan spans[] = {
      {0, 20, 0, 0}, {20, 1, 0, 20, true}, {22, 1, 0, 22, true}, {23, 20, 0, 23}};
  const auto length = static_cast<int64_t>(donor.size());

  const EditScript script = make_script(target, {&length, 1}, spans);

  EXPECT_EQ(script.ops, (std::vector<EditOp>{{EditKind::keep, 0, 0, 0, 20},
                                             {EditKind::fuzzy, 0, 20, 20, 1},
                                             {EditKind::replace, 0, 21, 21, 1},
                                             {EditKind::fuzzy, 0, 22, 22, 1},
                                             {EditKind::keep, 0, 23, 23, 20}}));
  EXPECT_EQ(script.inserted, (Tokens{900, 700, 901}));
  EXPECT_EQ(script.fuzzy(), 2);
  EXPECT_EQ(script.computed(), 1);
  EXPECT_EQ(script.target_tokens(), 43);
  EXPECT_DOUBLE_EQ(script.coverage(), 42.0 / 43.0);
  const std::span<const int32_t> donors[] = {donor};
  EXPECT_EQ(apply_script(script, donors), target);
  const PromptScript prompt{"p", {{"d", 0.5, length}}, script};
  const Json line = Json::parse(script_to_json(prompt).dump(), "line");
  EXPECT_EQ(
      line.get("ops").as_array()[1].dump(),
      R"({"op":"fuzzy","target":20,"count":1,"source":0,"donor":20,"shift":0,"tokens":[900]})");
  EXPECT_EQ(line.get("fuzzy").as_int(), 2);
  EXPECT_EQ(script_from_json(line, "line"), prompt);
}

TEST(EditScript, APrefixIsKeptAlthoughAnotherChainWeighsMore) {
  const Tokens target = counting(60);
  const SourceSpan spans[] = {{0, 10, 0, 0}, {10, 20, 0, 5}, {30, 10, 0, 40}};
  const int64_t length = 100;

  const EditScript script = make_script(target, {&length, 1}, spans);

  EXPECT_EQ(script.kept(), 20);
  EXPECT_EQ(script.moved(), 20);
}

TEST(EditScript, SaysWhatIsWrongWithALine) {
  EXPECT_EQ(message_for("[1]"), "x.jsonl:3: expected object, found array");
  EXPECT_EQ(message_for("{}"), "x.jsonl:3: field 'id' is missing");
  EXPECT_EQ(message_for(changed("\"q1\"", "7")),
            "x.jsonl:3: field 'id': expected string, found integer");
  EXPECT_EQ(message_for(changed("\"keep\"", "\"kept\"")),
            "x.jsonl:3: op 0: unknown op 'kept', expected keep, move, fuzzy, "
            "insert, replace or delete");
  EXPECT_EQ(message_for(changed("\"target\":1", "\"target\":2")),
            "x.jsonl:3: op 1: starts at target token 2, expected 1");
  EXPECT_EQ(message_for(changed("\"count\":2", "\"count\":0")),
            "x.jsonl:3: op 1: field 'count' must be an integer from 1 to 2147483646, found 0");
  EXPECT_EQ(message_for(changed("[9,9]", "[9]")),
            "x.jsonl:3: op 1: 1 tokens given, expected count 2");
  EXPECT_EQ(message_for(changed("[9,9]", "[9,9000000000]")),
            "x.jsonl:3: op 1: tokens must be 32-bit integers");
  EXPECT_EQ(message_for(changed("\"source\":0", "\"source\":1")),
            "x.jsonl:3: op 0: field 'source' must be an integer from 0 to 0, found 1");
  EXPECT_EQ(message_for(changed("\"length\":44", "\"length\":40")),
            "x.jsonl:3: op 2: field 'donor' must be an integer from 0 to 0, found 3");
  EXPECT_EQ(message_for(changed("\"length\":44", "\"length\":1")),
            "x.jsonl:3: op 1: 2 tokens named, donor 'p\"7' has 1");
  EXPECT_EQ(message_for(changed("\"shift\":0", "\"shift\":1")),
            "x.jsonl:3: op 0: shift is not target - donor = 0");
  EXPECT_EQ(message_for(changed("\"kept\":41", "\"kept\":40")),
            "x.jsonl:3: 'kept' is 40, the ops sum up to 41");
  EXPECT_EQ(message_for(changed("\"similarity\":0.875", "\"similarity\":null")),
            "x.jsonl:3: donor 0: field 'similarity': expected number, found null");
}

TEST(EditScript, IsNotAppliedToOtherDonors) {
  const EditScript script = sample().script;
  const Tokens donor = counting(30);
  const std::span<const int32_t> donors[] = {donor};

  EXPECT_STREQ(error_of([&] { apply_script(script, donors); }).what(),
               "edit script: tokens [3, +40) are named, donor 0 has 30");
  EXPECT_STREQ(error_of([&] { apply_script(script, {}); }).what(),
               "edit script: donor 0 of 0 is named");
}

TEST(EditScript, IsNotAppliedWhereItDoesNotTile) {
  const EditScript gap{{{EditKind::insert, 0, 1, 0, 1}}, {5}};
  const EditScript lacking{{{EditKind::insert, 0, 0, 0, 2}}, {5}};
  const EditScript spare{{{EditKind::insert, 0, 0, 0, 1}}, {5, 6}};

  EXPECT_STREQ(error_of([&] { apply_script(gap, {}); }).what(),
               "edit script: an op starts at 1, expected 0");
  EXPECT_STREQ(error_of([&] { apply_script(lacking, {}); }).what(),
               "edit script: 2 tokens to insert, 1 given");
  EXPECT_STREQ(error_of([&] { apply_script(spare, {}); }).what(),
               "edit script: 1 inserted tokens are left over");
}

}  // namespace
}  // namespace kvs
