using Microsoft.ML.LoraInit.Samples.Web;

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
