#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/blob_store.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

TEST(FolderBlobs, AreWrittenWhileTheirFolderGoes) {
  const TemporaryFolder folder;
  const auto blobs = open_folder_blobs((folder.path() / "blobs").string());
  const Hash128 group{.low = 1}, kept{.low = 2}, other{.low = 3};
  const Bytes content(100);
  std::atomic<bool> done = false;
  std::thread remover([&] {
    while (!done) blobs->remove({.group = group, .id = other});
  });
  for (int turn = 0; turn < 200; ++turn) {
    EXPECT_NO_THROW(blobs->put({.group = group, .id = kept}, content));
    blobs->remove({.group = group, .id = kept});
  }
  done = true;
  remover.join();

  EXPECT_FALSE(blobs->get({.group = group, .id = kept}));
}

}  // namespace
}  // namespace kvs::test
