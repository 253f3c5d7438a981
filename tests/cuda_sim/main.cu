/* Runs one of the programs that test the simulated device, by its name. */
#include <cstring>

#include "programs.h"

Program *Program::first;

int main(int argc, char **argv)
{
    for (Program *program = Program::first; program; program = program->next) {
        if (argc == 2 && strcmp(program->name, argv[1]) == 0) {
            program->run();
            return 0;
        }
    }
    return 2;
}

/* For a test in Python: memory that host code must not touch. */
extern "C" __attribute__((visibility("default"))) void *twelve_bytes()
{
    return device_array<float>(3);
}
