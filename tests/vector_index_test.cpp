#include "kvs/vector_index.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <random>

#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs {
namespace {

using test::error_of;

std::vector<float> random_vectors(uint64_t seed, int64_t count, int dims) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count * dims);
  for (float& value : values) value = normal(random);
  return values;
}

double dot(const float* a, const float* b, int dims) {
  double sum = 0;
  for (int at = 0; at < dims; ++at) sum += double{a[at]} * b[at];
  return sum;
}

TEST(VectorIndex, FindsWhatComparingWithAllFinds) {
  for (const int dims : {1, 7, 64, 65, 576}) {
    const int64_t count = 300;
    const auto vectors = random_vectors(dims, count, dims);
    const auto query = random_vectors(1000 + dims, 1, dims);
    const auto index = make_vector_index(dims);
    index->add(std::span(vectors).first(100 * dims));
    index->add(std::span(vectors).subspan(100 * dims));

    const auto found = index->search(query, 10, 2);

    std::vector<std::pair<double, int64_t>> expected;
    for (int64_t row = 0; row < count; ++row)
      expected.emplace_back(-dot(&vectors[row * dims], query.data(), dims), row);
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(found.size(), 10u);
    for (size_t at = 0; at < found.size(); ++at) {
      EXPECT_EQ(found[at].row, expected[at].second);
      EXPECT_NEAR(found[at].similarity, -expected[at].first, 1e-3);
    }
  }
}

TEST(VectorIndex, FindsAllWhereThereAreFewAndNoneWhereThereIsNone) {
  const auto index = make_vector_index(3);
  const std::array<float, 3> query{1, 0, 0};
  EXPECT_TRUE(index->search(query, 5).empty());

  index->add(std::array<float, 6>{0, 1, 0, 2, 0, 0});

  EXPECT_EQ(index->search(query, 5), (std::vector<VectorMatch>{{1, 2.0f}, {0, 0.0f}}));
  EXPECT_TRUE(index->search(query, 0).empty());
  EXPECT_EQ(index->row(1), (std::vector<float>{2, 0, 0}));
}

TEST(VectorIndex, ComesBackFromItsBytes) {
  const auto index = make_vector_index(16);
  index->add(random_vectors(1, 50, 16));

  const auto again = read_vector_index(index->to_bytes(), "x");

  EXPECT_EQ(again->size(), 50);
  EXPECT_EQ(again->dims(), 16);
  EXPECT_EQ(again->factory(), "Flat");
  const auto query = random_vectors(2, 1, 16);
  EXPECT_EQ(again->search(query, 50), index->search(query, 50));
}

TEST(VectorIndex, NoticesDamage) {
  const auto index = make_vector_index(4);
  index->add(random_vectors(1, 3, 4));
  const auto bytes = index->to_bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Error error = error_of([&] { read_vector_index(std::span(bytes).first(size), "v.kvi"); });
    EXPECT_EQ(error.kind(), ErrorKind::format);
    EXPECT_EQ(std::string(error.what()).rfind("v.kvi: damaged: ", 0), 0u);
  }
}

TEST(VectorIndex, RefusesWhatDoesNotFit) {
  const auto index = make_vector_index(4);

  EXPECT_STREQ(error_of([&] { index->add(std::array<float, 3>{}); }).what(),
               "vector index: 3 numbers do not make vectors of 4");
  EXPECT_STREQ(error_of([&] { index->search(std::array<float, 5>{}, 1); }).what(),
               "vector index: the query has 5 dimensions, expected 4");
  EXPECT_STREQ(error_of([&] { index->row(0); }).what(), "vector index: row 0 of 0 is asked for");
  EXPECT_STREQ(error_of([] { make_vector_index(0); }).what(),
               "vector index: 0 dimensions, expected 1 to 65536");
  EXPECT_STREQ(error_of([] { make_vector_index(4, "LSH"); }).what(),
               "vector index: unknown factory 'LSH', expected Flat, HNSW32, IVF1024,Flat or "
               "IVF1024,PQ96 (or other numbers)");
}

// Run by the test below, in a process whose libkvs has no module beside it.
TEST(VectorIndexWithoutModule, DISABLED_IsAnError) {
  const Error error = error_of([] { make_vector_index(4); });
  EXPECT_EQ(error.kind(), ErrorKind::io);
  std::printf("message: %s\n", error.what());
}

TEST(VectorIndex, SaysWhereItsModuleIsMissing) {
  Dl_info info{};
  ASSERT_NE(dladdr(reinterpret_cast<void*>(&make_vector_index), &info), 0);
  const std::filesystem::path library = std::filesystem::canonical(info.dli_fname);
  const test::TemporaryFolder folder;
  // Everything but the modules: in a bundle what libkvs needs lies beside it, too.
  for (const auto& entry : std::filesystem::directory_iterator(library.parent_path()))
    if (entry.is_regular_file() && entry.path().filename().string().rfind("libkvs_", 0) != 0)
      std::filesystem::copy(entry.path(), folder.path() / entry.path().filename());

  const std::string command = "LD_LIBRARY_PATH='" + folder.path().string() + "' '" +
                              std::filesystem::canonical("/proc/self/exe").string() +
                              "' --gtest_also_run_disabled_tests "
                              "--gtest_filter='VectorIndexWithoutModule.*' 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  for (int byte = 0; (byte = std::fgetc(pipe)) != EOF;) output += static_cast<char>(byte);

  EXPECT_EQ(pclose(pipe), 0) << output;
  EXPECT_NE(output.find("message: semantic search needs FAISS: libkvs_faiss.so: cannot open shared "
                        "object file"),
            std::string::npos)
      << output;
}

}  // namespace
}  // namespace kvs
