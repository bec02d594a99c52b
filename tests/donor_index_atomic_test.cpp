// What readers and later writers see of an update that is stopped, or that others make meanwhile.
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "kvs/vector_index.h"
#include "support/index_sample.h"
#include "support/temporary_folder.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;
using test::build;
using test::direction;
using test::ids;
using test::prompt;
using test::text;
using test::write_archive;
using Ids = std::vector<std::string>;

// An index of p1 and p2, and an update that removes p1 and adds p3 with its archive.
struct Scene {
  Scene() {
    make_vector_index(8);  // FAISS is loaded now, not in each child
    write_archive(folder.path() / "a.kva", {prompt(1), prompt(2)});
    write_archive(folder.path() / "b.kva", {prompt(3)});
    build(index(), {folder.path() / "a.kva"});
  }

  fs::path index() const { return folder.path() / "i"; }

  void update() const {
    DonorIndexWriter writer(index(), {.mode = IndexMode::change});
    writer.remove({.ids = {"p1"}});
    writer.add_copy(folder.path() / "b.kva");
    writer.commit();
  }

  // Opens it and looks at everything: true where it is the new index, false where the old one.
  bool is_new() const {
    const DonorIndex opened(index());
    const bool updated = opened.info().generation > 1;
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const bool there = seed == 2 || (seed == 3) == updated;
      const Ids expected = there ? Ids{"p" + std::to_string(seed)} : Ids{};
      EXPECT_EQ(ids(opened.search({.tokens = text(seed)})), expected);
      const auto by_embedding =
          opened.search({.embedding = direction(seed), .min_similarity = 0.999});
      EXPECT_EQ(ids(by_embedding), expected);
    }
    return updated;
  }

  void expect_nothing_left_over() const {
    build(index(), {folder.path() / "a.kva"});
    EXPECT_EQ(files(), 5u);
    for (const auto& entry : fs::recursive_directory_iterator(index()))
      EXPECT_NE(entry.path().extension(), ".part") << entry.path();
  }

  // 5 are MANIFEST, LOCK and one generation.
  size_t files() const {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(index())) count += entry.is_regular_file();
    return count;
  }

  test::TemporaryFolder folder;
};

// Whether a process that stands at a system call is about to change, or read, what others see.
bool at_a_step(pid_t child) {
  __ptrace_syscall_info call{};
  ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof call, &call);
  if (call.op != PTRACE_SYSCALL_INFO_ENTRY) return false;
  switch (call.entry.nr) {
    case SYS_openat:
    case SYS_write:
    case SYS_fsync:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_unlinkat:
    case SYS_mkdirat:
    case SYS_flock:
#ifdef SYS_rename
    case SYS_rename:
    case SYS_unlink:
    case SYS_mkdir:
#endif
      return true;
    default:
      return false;
  }
}

// Runs the update in another process up to its n-th step and kills it before that. False where it
// came to its end before; nothing where tracing is not permitted.
std::optional<bool> killed_at(const Scene& scene, int n) {
  const pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(77);
    raise(SIGSTOP);
    scene.update();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) return std::nullopt;
  ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  for (int step = 0; step < n; step += at_a_step(child)) {
    if (ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) != 0) break;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
      return false;
    }
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return true;
}

TEST(DonorIndexAtomic, IsOldOrNewAfterAKillAtAnyStep) {
  const Scene scene;
  fs::copy(scene.index(), scene.folder.path() / "before");
  int steps = 1, old_found = 0, new_found = 0;
  for (bool killed = true; killed; ++steps) {
    fs::remove_all(scene.index());
    fs::copy(scene.folder.path() / "before", scene.index());

    const auto result = killed_at(scene, steps);

    if (!result) GTEST_SKIP() << "processes may not be traced here";
    killed = *result;
    (scene.is_new() ? new_found : old_found) += 1;
    if (::testing::Test::HasFailure()) FAIL() << "after a kill at step " << steps;
    if (steps % 5 != 0) continue;
    scene.update();  // goes on from whatever was left
    EXPECT_TRUE(scene.is_new());
  }
  EXPECT_GT(old_found, 20);
  EXPECT_GT(new_found, 1);
  scene.expect_nothing_left_over();
}

TEST(DonorIndexAtomic, StaysWhatItIsWhereTheDiskIsFull) {
  const Scene scene;
  signal(SIGXFSZ, SIG_IGN);
  int refused = 0;
  for (rlim_t limit = 0; !scene.is_new(); limit += 50) {
    const pid_t child = fork();
    if (child == 0) {
      const rlimit most{limit, limit};
      setrlimit(RLIMIT_FSIZE, &most);
      try {
        scene.update();
      } catch (const Error& error) {
        _exit(error.kind() == ErrorKind::io ? 1 : 2);
      }
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);

    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_LE(WEXITSTATUS(status), 1);
    ASSERT_EQ(scene.is_new(), WEXITSTATUS(status) == 0) << "a limit of " << limit;
    refused += WEXITSTATUS(status);
    ASSERT_EQ(scene.files(), 5u);  // nothing half-written stays
  }
  EXPECT_GT(refused, 5);
  scene.expect_nothing_left_over();
}

TEST(DonorIndexAtomic, LosesNothingOfWritersThatComeAtOnce) {
  const test::TemporaryFolder folder;
  std::vector<pid_t> children;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const fs::path archive =
        write_archive(folder.path() / (std::to_string(seed) + ".kva"), {prompt(seed)});
    children.push_back(fork());
    if (children.back() == 0) {
      build(folder.path() / "i", {archive}, true);
      _exit(0);
    }
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }

  const DonorIndex index(folder.path() / "i");

  EXPECT_EQ(index.info().donors, 8);
  EXPECT_EQ(index.info().generation, 8);
  for (uint64_t seed = 1; seed <= 8; ++seed)
    EXPECT_EQ(ids(index.search({.tokens = text(seed)})), Ids{"p" + std::to_string(seed)});
}

TEST(DonorIndexAtomic, StopsWaitingForAnotherWriter) {
  const Scene scene;
  const DonorIndexWriter other(scene.index(), {.mode = IndexMode::change});
  int asked = 0;
  const auto give_up = [&] {
    if (++asked == 3) throw 7;
  };

  EXPECT_THROW(DonorIndexWriter(scene.index(), {.mode = IndexMode::change, .on_step = give_up}),
               int);
}

TEST(DonorIndexAtomic, ReadersSeeWholeGenerationsWhileWritersReplaceThem) {
  const test::TemporaryFolder folder;
  const fs::path a = write_archive(folder.path() / "a.kva", {prompt(1)});
  const fs::path b = write_archive(folder.path() / "b.kva", {prompt(1), prompt(2)});
  build(folder.path() / "i", {a});
  std::atomic<bool> done = false;
  std::thread writers[2];
  for (std::thread& writer : writers)
    writer = std::thread([&] {
      for (int round = 0; round < 30; ++round) build(folder.path() / "i", {round % 2 ? a : b});
    });
  std::thread watcher([&] {
    for (std::thread& writer : writers) writer.join();
    done = true;
  });

  int reads = 0;
  while (!done) {
    const DonorIndex index(folder.path() / "i");
    const auto found = index.search(
        {.tokens = text(2), .embedding = direction(2), .limit = 1, .min_similarity = -1});
    EXPECT_EQ(ids(found), Ids{index.info().donors == 2 ? "p2" : "p1"});
    ++reads;
  }

  watcher.join();
  EXPECT_GT(reads, 0);
  EXPECT_EQ(DonorIndex(folder.path() / "i").info().generation, 61);
}

TEST(DonorIndexAtomic, SurvivesAWriterThatIsKilled) {
  const test::TemporaryFolder folder;
  const fs::path a = write_archive(folder.path() / "a.kva", {prompt(1)});
  build(folder.path() / "i", {a});
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      for (;;) build(folder.path() / "i", {a}, true);
    }
    usleep(2000 + 500 * round);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);

    const DonorIndex index(folder.path() / "i");
    ASSERT_EQ(ids(index.search({.tokens = text(1), .embedding = direction(1)})), Ids{"p1"});
  }
  build(folder.path() / "i", {a});
  EXPECT_EQ(DonorIndex(folder.path() / "i").info().donors, 1);
  const auto files = fs::directory_iterator(folder.path() / "i");
  EXPECT_EQ(std::distance(begin(files), end(files)), 5);  // MANIFEST, LOCK and one generation
}

}  // namespace
}  // namespace kvs
