// A library with thread_local objects.
#include <memory>
#include <string>

static thread_local std::unique_ptr<std::string> text = std::make_unique<std::string>("a string that is long enough");
static thread_local int uses;

extern "C" void *late_objects(void *)
{
    return reinterpret_cast<void *>(static_cast<long>(++uses == 1 && text && text->size() == 28));
}
