#include "backend/cuda_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backend/cuda_backend.h"

namespace kvs {
namespace {

// Each holds megabytes of a device and takes milliseconds to record.
constexpr size_t kMostSteps = 32;

/// Everything that is queued on a stream while this lives is kept instead of run.
class Capture {
 public:
  // Of all modes the one that forbids other threads, and libraries in this one, nothing.
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "capture");
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() {
    if (stream_) end();
  }

  CudaHandle<cudaGraphExec_t> finish() {
    check(end(), "capture");
    cudaGraphExec_t launches = nullptr;
    check(cudaGraphInstantiate(&launches, graph_.get(), 0), "capture");
    return CudaHandle<cudaGraphExec_t>(launches);
  }

 private:
  cudaError_t end() {
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(std::exchange(stream_, nullptr), &graph);
    graph_.reset(graph);
    return status;
  }

  cudaStream_t stream_;
  CudaHandle<cudaGraph_t> graph_;
};

}  // namespace

std::byte* CudaStep::next_piece(size_t bytes) {
  if (piece_ == pieces_.size()) pieces_.emplace_back();
  CudaBuffer& piece = pieces_[piece_++];
  if (piece.bytes() < bytes) {
    forget();
    piece = {};
    piece = CudaBuffer(memory_, bytes);
  }
  return piece.data();
}

void CudaStep::fill_up(CudaTables& tables) {
  if (table_ == rooms_.size()) rooms_.emplace_back();
  CudaTableRoom& room = rooms_[table_++];
  const CudaTableRoom before = room;
  room.fill_up(tables);
  if (room != before) forget();
}

void CudaStep::add_launch(std::string_view operation) {
  if (launched_.operations++ == 0) launched_.first = operation;
  launched_.last = operation;
  launched_.layers += operation == "attention";
}

std::string CudaStep::description() const {
  return fmt::format(
      "a recorded step ({} launches from {} to {}, {} layers; compute-sanitizer says which)",
      launched_.operations, launched_.first, launched_.last, launched_.layers);
}

void CudaStep::forget() {
  if (launches_) cudaStreamSynchronize(memory_.stream());  // they may be on their way
  launches_.reset();
  tried_ = false;
}

void CudaStepRunner::run(const std::vector<int64_t>& shape, const std::function<void()>& step) {
  backend_.run_step(step_of(shape), step);
}

CudaStep& CudaStepRunner::step_of(const std::vector<int64_t>& shape) {
  auto found = steps_.find(shape);
  if (found == steps_.end()) {
    if (steps_.size() == kMostSteps)
      steps_.erase(std::min_element(steps_.begin(), steps_.end(), [](const auto& a, const auto& b) {
        return a.second.last_run() < b.second.last_run();
      }));
    found = steps_.try_emplace(shape, memory_).first;
  }
  found->second.set_last_run(++runs_);
  return found->second;
}

std::unique_ptr<StepRunner> CudaBackend::make_step_runner() {
  return std::make_unique<CudaStepRunner>(*this, memory_);
}

void CudaBackend::run_step(CudaStep& step, const std::function<void()>& queue_all) {
  const auto pass = [&](Phase phase) {
    phase_ = phase;
    step.begin();
    if (phase == Phase::launches) step.begin_launches();
    queue_all();
  };
  const InStep in_step(*this, step);
  pass(Phase::values);
  if (step.tried() && !step.recorded() && records_) record(step, [&] { pass(Phase::launches); });
  if (step.recorded()) return queued(step.launch(use()), step.description());
  pass(Phase::launches);
  step.set_tried();
}

void CudaBackend::record(CudaStep& step, const std::function<void()>& queue_launches) {
  try {
    Capture capture(use());
    queue_launches();
    step.set_recorded(capture.finish());
  } catch (const Error& e) {
    cudaGetLastError();                         // what is wrong with the device itself shows again
    if (e.kind() == ErrorKind::memory) return;  // there may be some next time
    records_ = false;
    if (note_) note_(fmt::format("steps of decoding are not recorded: {}", e.what()));
  }
}

}  // namespace kvs
