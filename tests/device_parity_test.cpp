#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "kvs/error.h"
#include "kvs/sampler.h"
#include "support/tiny_model.h"
#include "support/token_texts.h"

// The same tasks on the CPU and on a CUDA device: what is reused is equal to the token, and so is
// the most likely token, ties aside.
namespace kvs::test {
namespace {

/// Gaps between the two largest logits, as a share of the distance to the smallest, that rounding
/// on one device and not on the other may close.
constexpr float kTie = 2e-2F;

/// That of libkvs, where a program has a make_backend() of its own: the emulated device's.
std::unique_ptr<Backend> make_cpu() {
  void* library = dlopen("libkvs.so.0", RTLD_NOW | RTLD_NOLOAD);
  const auto make = reinterpret_cast<decltype(&make_backend)>(
      dlsym(library, "_ZN3kvs12make_backendERKNS_14BackendOptionsE"));
  return make({.device = "cpu", .threads = 2});
}

struct Model {
  Model(std::unique_ptr<Backend> device, const std::string& name)
      : backend(std::move(device)),
        transformer(*backend, *open_model_files(data_path("models/" + name)), Compute::f32) {}

  std::unique_ptr<Backend> backend;
  Transformer transformer;
};

struct Answer {
  Response response;
  std::vector<std::vector<float>> logits;  ///< of each token
};

using Parameter = std::tuple<const char*, DType>;

class DeviceParity : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    try {
      device = make_backend({.device = "cuda"});
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::device) throw;
      GTEST_SKIP() << e.what();
    }
    ASSERT_EQ(device->name(), "cuda");
  }

  /// A prompt, and edited forms of it for policies of each kind.
  static std::vector<Task> tasks(int vocab) {
    std::mt19937_64 random(1);
    const Tokens first = random_tokens(random, 120, vocab);
    Tokens edited = first;
    for (int at = 4; at < 9; ++at) edited[at] = (edited[at] + 1) % vocab;
    const Tokens moved = shuffled_blocks(random, first, 40);
    Tokens longer = first;
    for (const int32_t token : random_tokens(random, 9, vocab)) longer.push_back(token);

    std::vector<Task> tasks;
    const auto add = [&](const Tokens& tokens, const ReuseOptions& reuse) {
      tasks.push_back(
          {.id = std::to_string(tasks.size()), .tokens = tokens, .max_tokens = 5, .reuse = reuse});
    };
    add(first, {});
    add(longer, {.mode = ReuseMode::exact});
    add(edited, {.policy = Policy::naive});
    add(moved, {.policy = Policy::epic, .sinks = 4});
    add(edited, {.policy = Policy::kvshare, .budget = 0.5});
    return tasks;
  }

  /// Runs the tasks one after another; with `expected` along the tokens of its answers.
  std::vector<Answer> answers(Transformer& transformer, const std::vector<Answer>& expected = {}) {
    Engine engine(transformer, nullptr, {.max_blocks = 64, .kv_type = std::get<1>(GetParam())});
    std::vector<Answer> all;
    for (Task& task : tasks(transformer.config().vocab)) {
      Answer& answer = all.emplace_back();
      if (!expected.empty()) task.forced = expected[all.size() - 1].response.tokens;
      task.on_logits = [&](int64_t, std::span<const float> logits) {
        answer.logits.emplace_back(logits.begin(), logits.end());
      };
      answer.response = engine.run(std::move(task));
    }
    return all;
  }

  std::unique_ptr<Backend> device;
};
INSTANTIATE_TEST_SUITE_P(Of, DeviceParity,
                         testing::Combine(testing::Values("llama", "mistral-window", "qwen2",
                                                          "qwen3"),
                                          testing::Values(DType::f16, DType::q8)),
                         [](const auto& parameter) {
                           std::string name = std::get<0>(parameter.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name + "_" + dtype_name(std::get<1>(parameter.param));
                         });

void expect_same_reuse(const ReuseReport& got, const ReuseReport& want) {
  EXPECT_EQ(got.prompt_tokens, want.prompt_tokens);
  EXPECT_EQ(got.exact, want.exact);
  EXPECT_EQ(got.shifted, want.shifted);
  EXPECT_EQ(got.fuzzy, want.fuzzy);
  EXPECT_EQ(got.recomputed, want.recomputed);
  EXPECT_EQ(got.computed, want.computed);
  EXPECT_EQ(got.reason, want.reason);
}

bool is_tie(std::vector<float> logits) {
  std::nth_element(logits.begin(), logits.begin() + 1, logits.end(), std::greater<>());
  const float second = logits[1];
  const auto [least, most] = std::minmax_element(logits.begin(), logits.end());
  return *most - second < kTie * (*most - *least);
}

/// How many tokens were compared.
int expect_same_tokens(const Answer& got, const Answer& want) {
  int compared = 0;
  EXPECT_EQ(got.logits.size(), want.logits.size());
  for (size_t step = 0; step < std::min(got.logits.size(), want.logits.size()); ++step) {
    if (is_tie(want.logits[step])) continue;
    EXPECT_EQ(argmax(got.logits[step]), argmax(want.logits[step])) << "token " << step;
    ++compared;
  }
  return compared;
}

TEST_P(DeviceParity, AnswersAsTheCpuDoesFromTheSameReuse) {
  const std::string name = std::get<0>(GetParam());
  Model on_cpu(make_cpu(), name), on_device(std::move(device), name);
  ASSERT_EQ(on_cpu.backend->name(), "cpu");

  const std::vector<Answer> want = answers(on_cpu.transformer);
  const std::vector<Answer> got = answers(on_device.transformer, want);

  int compared = 0;
  int64_t exact = 0, shifted = 0, recomputed = 0;
  for (size_t task = 0; task < want.size(); ++task) {
    SCOPED_TRACE("task " + want[task].response.id);
    expect_same_reuse(got[task].response.reuse, want[task].response.reuse);
    compared += expect_same_tokens(got[task], want[task]);
    exact += want[task].response.reuse.exact;
    shifted += want[task].response.reuse.shifted;
    recomputed += want[task].response.reuse.recomputed;
  }
  EXPECT_GE(compared, 8);  // of 25
  EXPECT_GT(exact, 100);
  EXPECT_GT(shifted, 100);
  EXPECT_GT(recomputed, 10);
}

}  // namespace
}  // namespace kvs::test
