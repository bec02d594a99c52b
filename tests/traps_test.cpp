#include "kvs/traps.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <sstream>

#include "support/errors.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

constexpr const char* kStory =
    "Once upon a time there was a little child named {}. The child liked to play in the park with "
    "a dog and a ball. One day mom gave the child a big box with a toy. ";

std::string line_of(int number, const char* first, const char* second) {
  Json line;
  line.set("id", "t" + std::to_string(number));
  line.set("kind", number % 2 == 0 ? "even" : "odd");
  line.set("prompt_a", fmt::format(fmt::runtime(kStory), first));
  line.set("prompt_b", fmt::format(fmt::runtime(kStory), second));
  line.set("question", "said");
  line.set("answers", Json::Array{first, second});
  return line.dump() + "\n";
}

class Traps : public testing::Test {
 protected:
  std::vector<Trap> read(const std::string& text) {
    std::istringstream in(text);
    return read_traps(in, "t.jsonl", prompts);
  }

  // The model takes Mia for Lily; the others count.
  std::vector<Trap> some() {
    return read(line_of(0, "Tim", "Lily") + "\n" + line_of(1, "Lily", "Mia") +
                line_of(2, "Ben", "Tom") + line_of(3, "Lily", "Jack"));
  }

  TrapOptions options(const std::vector<Policy>& policies) {
    TrapOptions options{.contestants = contestants_of(policies, {}),
                        .engine = {.max_blocks = 64, .kv_type = DType::f32},
                        .noise_rows = 7};
    options.on_detail = [&](const Json& line) { lines.push_back(line); };
    options.on_pair = [&](bool pair_counts) { counts.push_back(pair_counts); };
    return options;
  }

  PromptEncoder prompts{data_path("stories260K.gguf"), {.chat_template = "chatml"}};
  TinyModel model{data_path("stories260K.gguf")};
  std::vector<Json> lines;
  std::vector<bool> counts;
};

TEST_F(Traps, AreReadAsTokens) {
  const std::vector<Trap> traps = some();

  ASSERT_EQ(traps.size(), 4u);
  EXPECT_EQ(traps[1].id, "t1");
  EXPECT_EQ(traps[1].kind, "odd");
  EXPECT_EQ(
      traps[1].prompts[1],
      prompts.encode_chat(
          {{.role = "user", .content = fmt::format(fmt::runtime(kStory), "Mia") + "\n\nsaid"}}));
  EXPECT_EQ(traps[1].answers[0], prompts.tokenizer()->encode("Lily", {.add_special = false}));
}

TEST_F(Traps, SayWhatIsWrong) {
  const auto message = [&](const std::string& text) {
    const Error error = error_of([&] { read(text); });
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return std::string(error.what());
  };
  const std::string good = line_of(0, "red", "blue");

  EXPECT_EQ(message(""), "t.jsonl: no traps");
  EXPECT_EQ(message(good + "[]\n"), "t.jsonl:2: field 'id' is missing");
  EXPECT_EQ(message(R"({"id":"x","kind":""})"),
            "t.jsonl:1: field 'kind': expected a text, found an empty one");
  EXPECT_EQ(message(R"({"id":"x","kind":3})"),
            "t.jsonl:1: field 'kind': expected a text, found integer");
  const std::string one =
      R"({"id":"x","kind":"k","prompt_a":"a","prompt_b":"b","question":"q","answers":)";
  EXPECT_EQ(message(one + R"(["y"]})"), "t.jsonl:1: field 'answers': expected two texts");
  EXPECT_EQ(message(one + R"(["y","y"]})"),
            "t.jsonl:1: field 'answers': 'y' begins 'y' and would always be likelier");
  EXPECT_TRUE(message(one + "[\"n\",\"" + std::string(2000, 'y') + "\"]}")
                  .starts_with("t.jsonl:1: field 'answers': "));
  EXPECT_EQ(message(good + "{\"id\":\"\xff\"}"), "t.jsonl:2: not valid UTF-8 at byte 8");
}

// The likelihoods by hand: one forward pass over prompt and answer, log softmax in double.
TEST_F(Traps, ChooseByTheLikelihoodOfTheAnswers) {
  const std::vector<Trap> traps = some();

  run_traps(model.transformer, traps, options({}));

  ASSERT_FALSE(lines.empty());
  for (const Json& line : lines) {
    const auto trap = std::find_if(traps.begin(), traps.end(), [&](const Trap& t) {
      return t.id == line.get("id").as_string();
    });
    const size_t side = line.get("prompt").as_string() == "a" ? 0 : 1;
    std::array<double, 2> expected{};
    for (size_t answer = 0; answer < 2; ++answer) {
      std::vector<int32_t> tokens = trap->prompts[side];
      const size_t begin = tokens.size();
      tokens.insert(tokens.end(), trap->answers[answer].begin(), trap->answers[answer].end());
      KvPool pool(*model.backend, model.transformer.kv_layout(DType::f32), 8);
      KvView view;
      view.append_fresh(pool, static_cast<int64_t>(tokens.size()), true);
      const auto logits =
          compute_rows(model.transformer, view, tokens, all_positions(tokens.size()), DType::f32);
      const size_t vocab = model.transformer.config().vocab;
      for (size_t at = begin; at < tokens.size(); ++at) {
        const float* row = logits.data() + (at - 1) * vocab;
        double sum = 0;
        for (size_t token = 0; token < vocab; ++token) sum += std::exp(double{row[token]});
        expected[answer] += row[tokens[at]] - std::log(sum);
      }
      EXPECT_NEAR(line.get("log_likelihood").as_array()[answer].as_number(), expected[answer],
                  1e-3);
    }
    EXPECT_EQ(line.get("choice").as_string(), expected[1] > expected[0] ? "b" : "a");
  }
}

TEST_F(Traps, CountOnlyPairsThatTheFullRunTellsApart) {
  const Json json = run_traps(model.transformer, some(), options({Policy::prefix, Policy::naive}));

  EXPECT_EQ(json.get("tried").as_int(), 4);
  EXPECT_EQ(json.get("pairs").as_int(), 3);
  EXPECT_EQ(json.get("kinds").dump(), R"({"even":2,"odd":1})");
  EXPECT_EQ(counts, (std::vector<bool>{true, false, true, true}));
  EXPECT_EQ(lines.size(), 3U * 2 * 4);      // full, prefix, naive, noise
  std::map<std::string, std::string> full;  // choices of the full run
  for (const Json& line : lines)
    if (line.get("policy").as_string() == "full")
      full[line.get("id").as_string()] += line.get("choice").as_string();
  for (const auto& [id, choices] : full) EXPECT_TRUE(choices == "ab" || choices == "ba") << id;
}

TEST_F(Traps, AskEachPromptOverTheOtherOne) {
  const Json json = run_traps(model.transformer, some(), options({Policy::prefix, Policy::naive}));

  const Json::Array& policies = json.get("policies").as_array();
  const auto figure = [&](int policy, const char* name) {
    return policies.at(policy).get(name).as_number();
  };
  EXPECT_EQ(figure(0, "agreement"), 1);
  EXPECT_EQ(figure(0, "hit_rate"), 0);
  EXPECT_EQ(figure(0, "computed_share"), 1);
  EXPECT_EQ(figure(1, "agreement"), 1);  // lossless
  EXPECT_GT(figure(1, "hit_rate"), 0.1);
  EXPECT_LT(figure(1, "hit_rate"), 0.6);
  EXPECT_GT(figure(2, "hit_rate"), 0.85);  // all but the word
  EXPECT_LT(figure(2, "agreement"), 1);    // and so the donor's name is said
  EXPECT_EQ(json.get("noise_floor").get("agreement").as_number(), 1);
  EXPECT_EQ(json.get("noise_floor").get("rows_per_step").as_int(), 7);
}

TEST_F(Traps, SumUpWhatTheDetailsSay) {
  const Json json = run_traps(model.transformer, some(), options({Policy::naive}));

  double agreed = 0, correct = 0, count = 0;
  std::map<std::string, std::pair<double, double>> kinds;
  for (const Json& line : lines) {
    if (line.get("policy").as_string() != "naive") continue;
    const bool agrees = line.get("agrees").as_bool();
    agreed += agrees;
    correct += line.get("choice").as_string() == line.get("prompt").as_string();
    count += 1;
    auto& [hits, all] = kinds[line.get("kind").as_string()];
    hits += agrees;
    all += 1;
  }
  const Json& naive = json.get("policies").as_array()[1];
  EXPECT_NEAR(naive.get("agreement").as_number(), agreed / count, 1e-6);
  EXPECT_NEAR(naive.get("correct").as_number(), correct / count, 1e-6);
  for (const auto& [kind, sums] : kinds) {
    EXPECT_NEAR(naive.get("agreement_by_kind").get(kind).as_number(), sums.first / sums.second,
                1e-6);
    EXPECT_EQ(json.get("kinds").get(kind).as_int() * 2, sums.second);
  }
  EXPECT_NEAR(naive.get("agreement_minus_noise").get("value").as_number(), agreed / count - 1,
              1e-6);
}

TEST_F(Traps, RefuseToRepairWhatIsNotDecoded) {
  TrapOptions repairing = options({Policy::naive});
  repairing.reuse.repair_rows = 2;

  const Error error = error_of([&] { run_traps(model.transformer, some(), repairing); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(), "traps: no row is repaired, since no answer is decoded");
}

TEST_F(Traps, StopWhereThereAreEnough) {
  TrapOptions few = options({});
  few.pairs = 2;
  few.noise_rows = 0;

  const Json json = run_traps(model.transformer, some(), few);

  EXPECT_EQ(json.get("pairs").as_int(), 2);
  EXPECT_EQ(counts, (std::vector<bool>{true, false, true}));
  EXPECT_TRUE(json.get("noise_floor").is_null());
}

TEST_F(Traps, SayNothingOfPoliciesWhereNoPairCounts) {
  TrapOptions none = options({Policy::naive});
  std::vector<Trap> same = some();
  same.resize(1);
  same[0].prompts[1] = same[0].prompts[0];

  const Json json = run_traps(model.transformer, same, none);

  EXPECT_EQ(json.get("pairs").as_int(), 0);
  EXPECT_TRUE(json.get("policies").as_array().empty());
}

}  // namespace
}  // namespace kvs::test
