#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "kvs/kv_archive.h"
#include "support/index_sample.h"
#include "support/stories.h"
#include "support/temporary_folder.h"

// Donors that lie in archives of an index.
namespace kvs::test {
namespace {

class EngineIndex : public Stories {
 protected:
  ArchiveHeader header() {
    return {.model = "m", .fingerprint = "f", .layout = engine.pool().layout()};
  }

  // An index of one archive, which holds the prompt's rows.
  void index(const std::string& text) {
    Task asked = task(text, "archived");
    asked.max_tokens = 0;
    KvView rows;
    asked.on_prompt = [&](const LayeredView& view) { rows = view.top(); };
    engine.run(asked);
    ArchiveWriter writer(archive, header());
    KvArchiver archiver(writer, "f", KvCodec::raw);
    archiver.add(engine.pool(), rows, {.id = "archived", .tenant = "", .tokens = asked.tokens});
    ASSERT_TRUE(archiver.finish().empty());
    writer.finish();
    build(folder.path() / "index", {archive});
  }

  // Over the index alone.
  Response answer(Engine& from, const std::string& text) {
    Task asked = task(text, "asked");
    asked.store = false;
    return from.run(asked);
  }

  std::unique_ptr<Engine> with_index(int64_t blocks) {
    auto made =
        std::make_unique<Engine>(model.transformer, tokenizer.get(),
                                 EngineOptions{.max_blocks = blocks, .kv_type = DType::f32});
    made->donors().open_index(folder.path() / "index", header());
    return made;
  }

  const TemporaryFolder folder;
  const std::filesystem::path archive = folder.path() / "a.kva";
};

TEST_F(EngineIndex, DonorsAreReused) {
  index(body);
  const auto reading = with_index(32);

  const Response response = answer(*reading, body);

  EXPECT_EQ(response.reuse.exact, response.reuse.prompt_tokens - 1);
  EXPECT_EQ(response.reuse.donors.at(0).place, DonorPlace::index);
}

TEST_F(EngineIndex, ADamagedArchiveCostsReuseAndNotTheRequest) {
  index(body);
  const auto reading = with_index(32);
  {
    std::fstream file(archive, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(archive) / 4));
    file.write("damage", 6);
  }

  for (const size_t warnings : {1, 0}) {  // said once
    const Response response = answer(*reading, body);

    EXPECT_EQ(response.error, "");
    EXPECT_EQ(response.text, answer(engine, body).text);
    EXPECT_EQ(response.reuse.exact, 0);
    EXPECT_EQ(reading->donors().take_warnings().size(), warnings);
    EXPECT_EQ(reading->pool().blocks_in_use(), 0);
  }
}

TEST_F(EngineIndex, ADonorThatThePoolCannotHoldIsLeftOut) {
  std::string text;
  while (encode(text).size() < 400) text += body;
  index(text);
  const auto small = with_index(5);

  const Response response = answer(*small, body);

  EXPECT_EQ(response.error, "");
  EXPECT_EQ(response.reuse.exact, 0);
  EXPECT_TRUE(small->donors().take_warnings().empty());
  EXPECT_EQ(small->pool().blocks_in_use(), 0);
}

}  // namespace
}  // namespace kvs::test
