using Microsoft.ML.LoraInit.Samples.Commands;
using Microsoft.ML.LoraInit.Samples.Output;

using var cancellation = new ConsoleCancellation();
return await Cli.RunAsync(args, Terminal.System, cancellation.Token);
