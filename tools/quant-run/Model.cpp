// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Model.h"
#include "quant-mlir/Import/JSONFile.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/DynamicLibrary.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace quantmlir;
using llvm::StringRef;

struct Model::Functions {
  decltype(&qm_last_error) lastError;
  decltype(&qm_model_open) openModel;
  decltype(&qm_model_free) freeModel;
  decltype(&qm_session_create) createSession;
  decltype(&qm_session_free) freeSession;
  decltype(&qm_session_feed) feed;
  decltype(&qm_session_logits) logits;
  decltype(&qm_session_top) top;
  decltype(&qm_session_context) context;
  decltype(&qm_session_rewind) rewind;
};

/// The name of the one model in a folder: NAME.json says so.
static llvm::Expected<std::string> findModel(StringRef folder) {
  std::error_code code;
  std::vector<std::string> names;
  for (llvm::sys::fs::directory_iterator file(folder, code), end;
       file != end && !code; file.increment(code)) {
    if (!StringRef(file->path()).ends_with(".json"))
      continue;
    llvm::Expected<llvm::json::Object> json = readJSONObject(file->path());
    if (!json) {
      llvm::consumeError(json.takeError());
      continue;
    }
    auto name = json->getString("name");
    if (name && json->getString("quant_mlir"))
      names.push_back(name->str());
  }
  if (code)
    return fileError(folder, code.message());
  if (names.size() != 1)
    return fileError(folder, names.empty()
                                 ? "has no compiled model; quantc -o makes one"
                                 : "has more than one compiled model");
  return names.front();
}

llvm::Expected<Model> Model::open(StringRef folder, int64_t context,
                                  int64_t threads) {
  llvm::Expected<std::string> name = findModel(folder);
  if (!name)
    return name.takeError();
  llvm::SmallString<256> path(folder), weights(folder);
  llvm::sys::path::append(path, *name + ".so");
  llvm::sys::path::append(weights, *name + ".weights.safetensors");
  llvm::sys::fs::make_absolute(path);
  std::string message;
  auto library =
      llvm::sys::DynamicLibrary::getPermanentLibrary(path.c_str(), &message);
  if (!library.isValid())
    return fileError(path, message);

  Model model;
  model.folder = folder.str();
  model.library = std::make_shared<Functions>();
  bool complete = true;
  auto find = [&](auto &function, const char *symbol) {
    void *address = library.getAddressOfSymbol(symbol);
    complete &= address != nullptr;
    function = reinterpret_cast<std::decay_t<decltype(function)>>(address);
  };
  Functions &f = *model.library;
  find(f.lastError, "qm_last_error");
  find(f.openModel, "qm_model_open");
  find(f.freeModel, "qm_model_free");
  find(f.createSession, "qm_session_create");
  find(f.freeSession, "qm_session_free");
  find(f.feed, "qm_session_feed");
  find(f.logits, "qm_session_logits");
  find(f.top, "qm_session_top");
  find(f.context, "qm_session_context");
  find(f.rewind, "qm_session_rewind");
  find(model.info, (*name + "_descriptor").c_str());
  if (!complete)
    return fileError(path, "is not a library that quantc made");

  if (f.openModel(model.info, weights.c_str(), &model.model) != QM_OK)
    return model.failure();
  qm_session_options options = {context, threads, nullptr, nullptr};
  if (f.createSession(model.model, &options, &model.session) != QM_OK)
    return model.failure();
  return model;
}

Model::Model(Model &&other) noexcept
    : library(std::move(other.library)), info(other.info),
      model(std::exchange(other.model, nullptr)),
      session(std::exchange(other.session, nullptr)),
      folder(std::move(other.folder)) {}

Model::~Model() {
  if (session)
    library->freeSession(session);
  if (model)
    library->freeModel(model);
}

llvm::Error Model::failure() const {
  return fileError(folder, library->lastError());
}

int64_t Model::context() const { return library->context(session); }

llvm::Expected<llvm::ArrayRef<float>>
Model::feed(llvm::ArrayRef<int32_t> tokens, int64_t outputs) {
  if (library->feed(session, tokens.data(), tokens.size(), outputs) != QM_OK)
    return failure();
  return llvm::ArrayRef<float>(library->logits(session),
                               outputs * info->vocab_size);
}

llvm::Expected<std::vector<Model::Candidate>> Model::top(int64_t k) {
  std::vector<int32_t> ids(k);
  std::vector<float> logits(k);
  if (library->top(session, k, ids.data(), logits.data()) != QM_OK)
    return failure();
  std::vector<Candidate> candidates;
  for (auto [id, logit] : llvm::zip_equal(ids, logits))
    candidates.push_back({id, logit});
  return candidates;
}

llvm::Error Model::rewind(int64_t position) {
  if (library->rewind(session, position) != QM_OK)
    return failure();
  return llvm::Error::success();
}
