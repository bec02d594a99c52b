#include "engine/tier_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <new>
#include <utility>

#include "engine/blob_codec.h"
#include "engine/record_rows.h"

namespace kvs {
namespace {

constexpr size_t kReadAtOnce = 16;  // prompts
constexpr std::chrono::milliseconds kBetweenLooks{500};

std::string label(const BlobStore& store, const BlobName& name) {
  const bool rows = name.kind == BlobName::Kind::rows;
  return fmt::format("{}: {} {}", store.name(), rows ? "rows" : "prompt", to_hex(name.id));
}

}  // namespace

TierReader::TierReader(BlobStore& store, const ArchiveHeader& header, HostAllocator memory,
                       Complaints& complaints)
    : store_(store),
      header_(header),
      memory_(std::move(memory)),
      complaints_(complaints),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

TierReader::~TierReader() = default;  // the thread is told to stop and waited for

void TierReader::read(ReadJob job) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  changed_.notify_all();
}

void TierReader::drop(uint64_t fetch) {
  const std::lock_guard lock(mutex_);
  std::erase_if(jobs_, [&](const ReadJob& job) { return job.fetch == fetch; });
  if (reading_ == fetch) reading_.reset();
  changed_.notify_all();
}

std::vector<ReadResult> TierReader::take_results() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
  return std::exchange(results_, {});
}

TierNews TierReader::take_news() {
  const std::lock_guard lock(mutex_);
  fresh_ = false;
  return std::exchange(news_, {});
}

bool TierReader::wait_for_news(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return looked_ || fresh_; });
  return looked_;
}

void TierReader::wait_for_results(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return !results_.empty(); });
}

void TierReader::run(const std::stop_token& stop) {
  take_errors_for_signals();
  auto next_look = std::chrono::steady_clock::now();
  while (!stop.stop_requested()) {
    const bool reads = !named_.empty() && reachable_;
    if (std::chrono::steady_clock::now() >= next_look) {
      look();
      next_look = std::chrono::steady_clock::now() + kBetweenLooks;
    } else if (wait_for_job(reads ? std::chrono::steady_clock::time_point() : next_look, stop)) {
      serve_next(stop);
    } else if (reads) {
      read_some();
    }
  }
}

bool TierReader::wait_for_job(std::chrono::steady_clock::time_point end,
                              const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, stop, end, [this] { return !jobs_.empty(); });
}

void TierReader::serve_next(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (jobs_.empty()) return;  // dropped
  const ReadJob job = std::move(jobs_.front());
  jobs_.pop_front();
  reading_ = job.fetch;
  lock.unlock();
  serve(job, stop);
}

void TierReader::look() {
  TierNews news;
  const int64_t look = ++looks_;
  try {
    const auto complain = [this](const Error& error) { complaints_.failed(error); };
    for (const Blob& blob : store_.news(complain)) {
      if (blob.name.kind == BlobName::Kind::rows)
        news.pieces.push_back(blob);
      else
        named_.push_back(blob);
    }
    reachable_ = true;
    seen_ = look;
  } catch (const Error& error) {
    failed(error);
  } catch (const std::bad_alloc&) {
    failed({ErrorKind::io, store_.name() + ": not enough memory to read"});
  }
  publish(std::move(news));
}

// A server that fails is asked again later; a file that cannot be read is passed over.
void TierReader::read_some() {
  TierNews news;
  try {
    for (size_t read = 0; read < kReadAtOnce && !named_.empty(); ++read) {
      try {
        find_prompt(named_.front(), news);
      } catch (const Error& error) {
        if (!store_.exclusive()) throw;
        complaints_.failed(error);
      }
      named_.pop_front();
    }
  } catch (const Error& error) {
    failed(error);
  } catch (const std::bad_alloc&) {
    failed({ErrorKind::io, store_.name() + ": not enough memory to read"});
  }
  publish(std::move(news));
}

void TierReader::publish(TierNews news) {
  const std::lock_guard lock(mutex_);
  std::move(news.prompts.begin(), news.prompts.end(), std::back_inserter(news_.prompts));
  std::move(news.pieces.begin(), news.pieces.end(), std::back_inserter(news_.pieces));
  news_.damaged += news.damaged;
  if (named_.empty()) news_.whole_look = seen_;
  fresh_ = true;
  looked_ = looked_ || named_.empty() || !reachable_;
  changed_.notify_all();
}

// What its name promises is checked, so that nothing of one tenant's passes for another's.
void TierReader::find_prompt(const Blob& blob, TierNews& news) {
  const BlobName& name = blob.name;
  const std::optional<Bytes> bytes = store_.get(name);
  if (!bytes) return;
  try {
    PromptRecord prompt = decode_prompt(*bytes, header_, label(store_, name));
    const auto pieces = piece_ids(header_.fingerprint, prompt.tenant, prompt.tokens);
    if (pieces.empty() || pieces.back() != name.id || group_of(prompt.tenant) != name.group)
      fail(ErrorKind::format, "{}: holds another prompt", label(store_, name));
    news.prompts.push_back({blob, std::move(prompt)});
  } catch (const Error& error) {
    remove(name, error);
    ++news.damaged;
  }
}

void TierReader::remove(const BlobName& name, const Error& why) {
  complaints_.damaged(why);
  try {
    store_.remove(name);
  } catch (const Error& error) {
    failed(error);
  }
}

void TierReader::failed(const Error& error) {
  reachable_ = false;
  complaints_.failed(error);
}

void TierReader::serve(const ReadJob& job, const std::stop_token& stop) {
  ReadResult end{.fetch = job.fetch};
  for (size_t piece = job.pieces.size(); piece-- > 0 && goes_on(stop);) {
    const auto begun = std::chrono::steady_clock::now();
    ReadResult result = read_piece(job, piece);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
    result.ms = took.count();
    if (result.outcome != ReadOutcome::done) {
      end.outcome = result.outcome;
      end.piece = job.pieces[piece];
      break;
    }
    push(std::move(result), stop);
  }
  if (goes_on(stop)) push(std::move(end), stop);
}

bool TierReader::goes_on(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  return reading_ && !stop.stop_requested();
}

ReadResult TierReader::read_piece(const ReadJob& job, size_t piece) {
  const BlobName name{.group = job.group, .id = job.pieces[piece]};
  ReadResult result{.fetch = job.fetch};
  try {
    result.rows = get(name, result.bytes);
    reachable_ = true;
    result.outcome = result.rows ? ReadOutcome::done : ReadOutcome::lost;
    if (result.rows) check(*result.rows, job, piece);
  } catch (const Error& error) {
    result = {
        .fetch = job.fetch,
        .outcome = error.kind() == ErrorKind::io ? ReadOutcome::unreachable : ReadOutcome::damaged};
    error.kind() == ErrorKind::io ? failed(error) : remove(name, error);
  } catch (const std::bad_alloc&) {
    result.outcome = ReadOutcome::unreachable;
  }
  return result;
}

// Null where there is none.
std::shared_ptr<const KvRecord> TierReader::get(const BlobName& name, int64_t& bytes) {
  if (RecordShelf* shelf = store_.shelf()) {
    std::shared_ptr<const KvRecord> rows = shelf->get(name);
    if (rows) bytes = bytes_of(*rows);
    return rows;
  }
  const std::optional<Bytes> blob = store_.get(name);
  if (!blob) return nullptr;
  bytes = std::ssize(*blob);
  return std::make_shared<const KvRecord>(
      decode_rows(*blob, header_, label(store_, name), memory_));
}

void TierReader::check(const KvRecord& rows, const ReadJob& job, size_t piece) const {
  const size_t first = piece * kMaxKvTokens;
  const auto rest = std::span(job.tokens).subspan(first);
  const auto tokens = rest.first(std::min<size_t>(kMaxKvTokens, rest.size()));
  const Hash128 parent = piece == 0 ? Hash128() : job.pieces[piece - 1];
  if (rows.id != job.pieces[piece] || rows.parent != parent || !rows.exact ||
      rows.home != static_cast<int64_t>(first) || !std::ranges::equal(rows.tokens, tokens))
    fail(ErrorKind::format, "{}: holds other rows",
         label(store_, {.group = job.group, .id = job.pieces[piece]}));
}

void TierReader::push(ReadResult result, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, stop, [this] { return !reading_ || results_.size() < kReadAhead; });
  results_.push_back(std::move(result));
  changed_.notify_all();
}

}  // namespace kvs
