using Microsoft.ML.LoraInit.ApiDocs;

// dotnet run --project eng/ApiDocs: writes docs/api anew from the comments in the code.
if (args.Length > 1)
{
    Console.Error.WriteLine("One argument at most: the folder to write, by default docs/api.");
    return 2;
}
var folder = args.Length == 1 ? args[0] : Path.Combine("docs", "api");
var reference = ApiReference.Create();
reference.Write(folder);
Console.WriteLine($"{folder}: {reference.Types.Count} types.");
return 0;
