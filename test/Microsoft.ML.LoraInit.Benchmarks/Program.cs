using System.CommandLine;
using Microsoft.ML.LoraInit.Benchmarks;

var root = new RootCommand("Measures the initialisations: what they cost and how far they are from what they aim at.")
{
    InitializationBenchmark.Create(),
    IniLoRABenchmark.Create(),
};
return await root.Parse(args).InvokeAsync();
