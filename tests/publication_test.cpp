#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "engine/common_spans.h"
#include "engine/published_pieces.h"
#include "kvs/engine.h"
#include "kvs/gguf.h"
#include "support/kv_rows.h"
#include "support/tiny_model.h"
#include "support/token_texts.h"

namespace kvs::test {
namespace {

std::vector<SourceSpan> pieces(std::vector<TokenRange> ranges) {
  std::vector<SourceSpan> cover;
  for (const auto& [first, end] : ranges)
    cover.push_back({.target_first = first, .count = end - first});
  return cover;
}

TEST(CommonSpans, AreHeldInOnePieceByEnough) {
  const std::vector<std::vector<SourceSpan>> covers{pieces({{0, 100}, {100, 300}}),
                                                    pieces({{50, 260}}), pieces({{90, 400}})};

  EXPECT_EQ(common_spans(covers, 3, 64), (std::vector<TokenRange>{{100, 260}}));
  EXPECT_EQ(common_spans(covers, 2, 64), (std::vector<TokenRange>{{90, 260}}));
  EXPECT_EQ(common_spans(covers, 4, 1), std::vector<TokenRange>{});
}

TEST(CommonSpans, OfOthersMayFollowAtOnce) {
  const std::vector<std::vector<SourceSpan>> covers{pieces({{0, 100}}), pieces({{0, 200}}),
                                                    pieces({{80, 300}})};

  EXPECT_EQ(common_spans(covers, 2, 64), (std::vector<TokenRange>{{0, 100}, {100, 200}}));
}

TEST(CommonSpans, AreNotTooShort) {
  const std::vector<std::vector<SourceSpan>> covers{pieces({{0, 63}, {100, 164}})};

  EXPECT_EQ(common_spans(covers, 1, 64), (std::vector<TokenRange>{{100, 164}}));
  EXPECT_EQ(common_spans({}, 1, 64), std::vector<TokenRange>{});
}

TEST(PublishedPieces, AreWholeAndCountedFromTheTextsStart) {
  std::mt19937_64 random(1);
  const Tokens text = random_tokens(random, 300, 50'000), other = random_tokens(random, 90, 50'000);
  const Tokens middle(text.begin() + 60, text.begin() + 200), end(text.begin() + 193, text.end());
  const Tokens prompt = joined({other, middle, other, end});
  const PublishedPieces pieces(prompt);

  EXPECT_EQ(pieces.find(text, 0), (std::vector<TokenRange>{{64, 192}}));
  EXPECT_EQ(pieces.find(text, 1), (std::vector<TokenRange>{{65, 257}}));  // both parts have some
  EXPECT_EQ(PublishedPieces(text).find(text, 0), (std::vector<TokenRange>{{0, 256}}));
  EXPECT_EQ(PublishedPieces(text).find(text, 1), (std::vector<TokenRange>{{0, 257}}));
  EXPECT_TRUE(PublishedPieces(Tokens()).find(text, 0).empty());
  EXPECT_TRUE(pieces.find(Tokens(text.begin(), text.begin() + 63), 0).empty());
}

// Tenants named "salt…" take no part.
class Publication : public testing::Test {
 protected:
  static Tokens text(uint64_t seed, int64_t count = 100) {
    std::mt19937_64 random(seed);
    return random_tokens(random, count, 50'000);
  }

  void add(const std::string& tenant, const Tokens& tokens, const std::string& owner = "") {
    KvView view;
    view.append_fresh(pool, std::ssize(tokens), true);
    store.add("of " + tenant, tenant, tokens, view, DonorStore::kUnknownDepth, owner);
  }
  std::vector<Tokens> common(const std::string& tenant, const Tokens& tokens) {
    std::vector<Tokens> found;
    for (const auto span : store.find_common({.tokens = tokens, .tenant = tenant}))
      found.emplace_back(span.begin(), span.end());
    return found;
  }
  std::set<std::string> ids(const std::string& tenant, const Tokens& tokens) {
    std::set<std::string> found;
    for (const ReuseDonor& donor : store.find({.tokens = tokens, .tenant = tenant}))
      found.insert(donor.id);
    return found;
  }
  static PublicationRules rules(int holders) {
    return {.holders = holders,
            .takes_part = [](std::string_view tenant) { return !tenant.starts_with("salt"); }};
  }

  std::unique_ptr<Backend> backend = make_backend({.device = "cpu", .threads = 1});
  KvPool pool{*backend, {.layers = 1, .kv_heads = 1, .head_dim = 8}, 512};
  DonorStore store{pool};
  const Tokens shared = text(1);
};

using Found = std::vector<Tokens>;

TEST_F(Publication, TakesWhatEnoughTenantsHoldAndNothingAroundIt) {
  store.publish_by(rules(3));
  add("a", joined({text(2), shared, text(3)}));
  const Tokens asked = joined({text(4), shared, text(5)});
  EXPECT_EQ(common("c", asked), Found{});

  add("b", joined({text(6), shared, text(7)}));

  EXPECT_EQ(common("c", asked), Found{shared});
  EXPECT_EQ(common("a", asked), Found{});  // only two of three
}

TEST_F(Publication, PassesOverWhatASaltKeepsApart) {
  store.publish_by(rules(3));
  add("a", shared);
  add("salt b", shared);

  EXPECT_EQ(common("c", shared), Found{});
  add("b", shared);
  EXPECT_EQ(common("salt c", shared), Found{});
  EXPECT_EQ(common("c", shared), Found{shared});
}

TEST_F(Publication, CountsATenantOnceWhereverItHoldsAText) {
  store.publish_by(rules(3));
  add("a", shared);
  add("group", shared, "a");
  add("group", joined({shared, text(2)}), "c");

  EXPECT_EQ(store.find_common({.tokens = shared, .tenant = "group", .owner = "c"}).size(), 0u);
  add("group 2", shared, "b");
  EXPECT_EQ(store.find_common({.tokens = shared, .tenant = "group", .owner = "c"}).size(), 1u);
}

TEST_F(Publication, TakesNoShortText) {
  store.publish_by(rules(2));
  add("a", joined({text(2), text(8, 63), text(3)}));
  add("a", joined({text(4), text(9, 64), text(5)}));

  EXPECT_EQ(common("b", joined({text(8, 63), text(6)})), Found{});
  EXPECT_EQ(common("b", joined({text(9, 64), text(7)})), Found{text(9, 64)});
}

TEST_F(Publication, IsOffUnlessRulesSayOtherwise) {
  add("a", shared);
  add(std::string(DonorStore::kPublished), text(2));

  EXPECT_EQ(common("b", shared), Found{});
  EXPECT_EQ(ids("b", text(2)), std::set<std::string>{});
  store.publish_by(rules(1));
  EXPECT_EQ(common("b", shared), Found{});
}

// Whatever the tenants did: donors name who brought them.
TEST_F(Publication, LetsNoLookUpLeaveItsTenantButForPublishedText) {
  store.publish_by(rules(3));
  std::mt19937_64 random(7);
  const std::vector<std::string> tenants{"a", "b", "c", "group:x", "salt:a:1", "salt:a:2"};
  for (int turn = 0; turn < 300; ++turn) {
    const std::string tenant = tenants[pick(random, std::ssize(tenants))];
    const Tokens asked = joined({text(pick(random, 4), 70), text(10 + pick(random, 4), 70)});
    std::set<std::string> allowed{"of " + tenant};
    if (!tenant.starts_with("salt")) allowed.insert("of published:");
    for (const std::string& id : ids(tenant, asked)) EXPECT_TRUE(allowed.contains(id)) << id;

    store.make_room(8);
    add(tenant, asked);
    for (const Tokens& found : common(tenant, asked))
      add(std::string(DonorStore::kPublished), found);
  }
  EXPECT_GT(store.published(), 0);
}

// A tenant that knows the first tokens guesses the next one, behind its own text or at the start.
TEST_F(Publication, TellsNobodyWhetherOneMoreTokenIsRight) {
  store.publish_by(rules(3));
  const Tokens secret = text(1, 200), own = text(2, 40);
  add(std::string(DonorStore::kPublished), secret);
  add("a", joined({own, Tokens(secret.begin(), secret.begin() + 20)}));
  const auto kept = [&](const Tokens& prompt, Policy policy) {
    const ReuseOptions options{.policy = policy};
    const ReusePlan plan =
        plan_reuse(prompt, store.find({.tokens = prompt, .tenant = "a"}), options);
    return std::ssize(prompt) - std::ssize(plan.rows_to_compute());
  };
  for (size_t known = 20; known < secret.size(); ++known) {
    if (known % 64 == 63) continue;  // with the next one a piece is whole
    for (const Tokens& front : {Tokens(), own})
      for (const Policy policy : {Policy::prefix, Policy::naive}) {
        const Tokens start(secret.begin(), secret.begin() + static_cast<int64_t>(known));
        const Tokens right = joined({front, start, {secret[known], 7, 8}});
        const Tokens wrong = joined({front, start, {9, 7, 8}});
        EXPECT_EQ(kept(right, policy), kept(wrong, policy)) << known << " of " << front.size();
      }
  }
  EXPECT_EQ(kept(secret, Policy::prefix), 192);
  EXPECT_EQ(kept(joined({text(3, 9), secret}), Policy::naive), 192);
}

// A server's engine: three tenants, and what comes of their texts.
class PublishingEngine : public testing::Test {
 protected:
  PublishingEngine() {
    engine.donors().publish_by({.holders = 3, .takes_part = [](std::string_view tenant) {
                                  return !tenant.starts_with("salt");
                                }});
  }

  Task task(const std::string& tenant, const std::string& text) {
    Task task{
        .id = tenant + "/1", .tokens = tokenizer->encode(text), .tenant = tenant, .max_tokens = 1};
    task.reuse.policy = Policy::naive;
    return task;
  }
  // What three tenants send has the shared text in common, and no token in front of it.
  std::vector<Task> of_three() {
    return {task("ann", "ann said." + shared), task("ben", "ben wrote:" + shared),
            task("cat", "cat sang!" + shared)};
  }
  void work() {
    while (engine.exactify_step()) {
    }
  }

  const std::string shared =
      " Once upon a time, Tim had a red car and a blue ball. One day Tim saw a big dog in the "
      "park. "
      "The dog wanted to play with the ball. Lily sat under a tree and ate three cakes with her "
      "mom, but the rain came down and they ran home as fast as they could.";
  std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::from_gguf(GgufFile(data_path("stories260K.gguf")));
  TinyModel model{data_path("stories260K.gguf")};
  const EngineOptions options{.max_blocks = 64, .kv_type = DType::f32};
  Engine engine{model.transformer, tokenizer.get(), options};
};

TEST_F(PublishingEngine, ServesAFourthTenantWhatThreeHold) {
  for (const Task& one : of_three()) {
    EXPECT_EQ(engine.run(one).reuse.shifted, 0);
    work();
  }
  ASSERT_EQ(engine.donors().published(), 1);

  const ReuseReport other = engine.run(task("dan", "And so." + shared)).reuse;
  EXPECT_EQ(other.shifted % 64, 0);  // whole pieces
  EXPECT_GT(other.shifted, 60);
  EXPECT_TRUE(other.donors.at(0).id.starts_with(DonorStore::kPublished));
  EXPECT_EQ(engine.run(task("salt:dan", "And so." + shared)).reuse.shifted, 0);
  EXPECT_LT(engine.run(task("eve", "ann said. That is all that was said.")).reuse.exact, 2);
}

TEST_F(PublishingEngine, ComputesTheTextAsIfItStoodAlone) {
  for (const Task& one : of_three()) engine.run(one);
  work();

  const std::vector<ReuseDonor> found =
      engine.donors().find({.tokens = task("dan", "And so." + shared).tokens, .tenant = "dan"});
  ASSERT_FALSE(found.empty());
  const ReuseDonor& published = found.front();
  EXPECT_EQ(published.exact_rows, std::ssize(published.tokens));
  EXPECT_EQ(published.tokens.front(), tokenizer->bos());

  std::vector<float> expected;
  Engine cold(model.transformer, tokenizer.get(), options);
  Task alone = task("alone", "");
  alone.tokens.assign(published.tokens.begin(), published.tokens.end());
  alone.max_tokens = 0;
  alone.on_prompt = [&](const LayeredView& view) {
    expected = f32_rows(view.top(), cold.pool().layout());
  };
  cold.run(alone);
  const std::vector<float> rows = f32_rows(*published.view, engine.pool().layout());
  ASSERT_EQ(rows.size(), expected.size());
  for (size_t i = 0; i < rows.size(); ++i)
    ASSERT_NEAR(rows[i], expected[i], 1e-5 * (1 + std::abs(expected[i]))) << i;
}

TEST_F(PublishingEngine, PublishesNothingThatIsForgotten) {
  for (const Task& one : of_three()) engine.run(one);
  engine.forget([](const KeptDonor& donor) { return donor.id == "cat/1"; });
  work();

  EXPECT_EQ(engine.donors().published(), 0);
}

TEST_F(PublishingEngine, PublishesATextOnce) {
  for (const char* tenant : {"ann", "ben", "cat", "dan", "eve"}) {
    engine.run(task(tenant, std::string(tenant) + " said." + shared));
    work();
  }

  EXPECT_EQ(engine.donors().published(), 1);
  EXPECT_EQ(engine.background().texts, 1);
}

}  // namespace
}  // namespace kvs::test
