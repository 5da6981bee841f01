using Microsoft.ML.LoraInit.Samples.Web;

// Requests run side by side, so each of them needs no threads of its own.
TorchSharp.torch.set_num_threads(1);
try
{
    await using var app = WebSample.Create(args);
    await app.RunAsync();
    return 0;
}
catch (ArgumentException e)
{
    Console.Error.WriteLine($"lorainit-web: {e.Message}");
    return 2;
}
