using Microsoft.AspNetCore.Connections;
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
catch (IOException e) when (e.InnerException is AddressInUseException)
{
    Console.Error.WriteLine($"lorainit-web: {e.Message.TrimEnd('.')}. Choose another one with --urls.");
    return 2;
}
