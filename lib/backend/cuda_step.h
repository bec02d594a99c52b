#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cuda_memory.h"
#include "backend/cuda_tables.h"
#include "kvs/backend.h"

namespace kvs {

class CudaBackend;

/// What steps of one shape have on the device: their values, at addresses that stay the same, and
/// once they are recorded, their launches.
class CudaStep {
 public:
  explicit CudaStep(CudaMemory& memory) : memory_(memory) {}
  CudaStep(const CudaStep&) = delete;
  CudaStep& operator=(const CudaStep&) = delete;
  ~CudaStep() { forget(); }

  /// A step asks for the same pieces and tables in the same order, from here on.
  void begin() { piece_ = table_ = 0; }
  /// The step's next piece of memory. What was in it is lost where it is too small.
  std::byte* next_piece(size_t bytes);
  /// Fills the tables of the step's next plan up to the room they have in all steps of its shape.
  void fill_up(CudaTables& tables);

  /// What is launched, one operation after another: that much can be said where a replay fails.
  void begin_launches() { launched_ = {}; }
  void add_launch(std::string_view operation);
  std::string description() const;

  /// Whether these launches were queued one by one before: that loads kernels and finds algorithms,
  /// which recording them must not wait for.
  bool tried() const { return tried_; }
  void set_tried() { tried_ = true; }

  bool recorded() const { return launches_ != nullptr; }
  void set_recorded(CudaHandle<cudaGraphExec_t> launches) { launches_ = std::move(launches); }
  cudaError_t launch(cudaStream_t stream) const { return cudaGraphLaunch(launches_.get(), stream); }

  /// Its number among the runs of all steps.
  int64_t last_run() const { return last_run_; }
  void set_last_run(int64_t number) { last_run_ = number; }

 private:
  /// The launches are others from here on.
  void forget();

  struct Launched {
    int operations = 0, layers = 0;
    std::string_view first{}, last{};
  };

  CudaMemory& memory_;
  Launched launched_;
  std::vector<CudaBuffer> pieces_;
  std::vector<CudaTableRoom> rooms_;
  size_t piece_ = 0, table_ = 0;  ///< the next
  bool tried_ = false;
  int64_t last_run_ = 0;
  CudaHandle<cudaGraphExec_t> launches_;
};

/// The steps of one owner by their shape.
class CudaStepRunner final : public StepRunner {
 public:
  CudaStepRunner(CudaBackend& backend, CudaMemory& memory) : backend_(backend), memory_(memory) {}
  void run(const std::vector<int64_t>& shape, const std::function<void()>& step) override;

 private:
  CudaStep& step_of(const std::vector<int64_t>& shape);

  CudaBackend& backend_;
  CudaMemory& memory_;
  std::map<std::vector<int64_t>, CudaStep> steps_;
  int64_t runs_ = 0;
};

}  // namespace kvs
