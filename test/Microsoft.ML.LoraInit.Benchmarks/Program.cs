using System.CommandLine;
using Microsoft.ML.LoraInit.Benchmarks;
using Microsoft.ML.LoraInit.Benchmarks.Steps;

var root = new RootCommand("Measures what things cost, each against other ways to do them.")
{
    InitializationBenchmark.Create(),
    IniLoRABenchmark.Create(),
    TrainingBenchmark.Create(),
};
return await root.Parse(args).InvokeAsync();
