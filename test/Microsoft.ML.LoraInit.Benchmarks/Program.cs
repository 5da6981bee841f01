using System.CommandLine;
using Microsoft.ML.LoraInit.Benchmarks;
using Microsoft.ML.LoraInit.Benchmarks.Files;
using Microsoft.ML.LoraInit.Benchmarks.Libraries;
using Microsoft.ML.LoraInit.Benchmarks.Pipelines;
using Microsoft.ML.LoraInit.Benchmarks.Steps;
using Microsoft.ML.LoraInit.Benchmarks.Sweeps;

var root = new RootCommand("Measures what things cost, each against other ways to do them.")
{
    TrainingBenchmark.Create(),
    MethodsBenchmark.Create(),
    GrowthBenchmark.Create(),
    KernelsBenchmark.Create(),
    EpochBenchmark.Create(),
    SweepBenchmark.Create(),
    InferenceBenchmark.Create(),
    HostBenchmark.Create(),
    EnginesBenchmark.Create(),
    LanguagesBenchmark.Create(),
    LibraryBenchmark.Create(),
    TokenizationBenchmark.Create(),
    FilesBenchmark.CreateLoading(),
    FilesBenchmark.CreateSaving(),
    InitializationBenchmark.Create(),
    IniLoraBenchmark.Create(),
};
return await root.Parse(args).InvokeAsync();
