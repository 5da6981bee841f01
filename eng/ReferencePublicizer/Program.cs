using Microsoft.ML.LoraInit.ReferencePublicizer;

// ReferencePublicizer <member list> <output folder> <assembly>...
if (args.Length < 3)
{
    Console.Error.WriteLine("usage: ReferencePublicizer <member list> <output folder> <assembly>...");
    return 2;
}

try
{
    Directory.CreateDirectory(args[1]);
    foreach (var path in args[2..])
    {
        var members = MemberList.Read(args[0], Path.GetFileNameWithoutExtension(path));
        var image = Publicizer.Publicize(File.ReadAllBytes(path), members, path);
        File.WriteAllBytes(Path.Combine(args[1], Path.GetFileName(path)), image);
    }
    return 0;
}
catch (Exception e) when (e is InvalidOperationException or IOException or BadImageFormatException)
{
    // The form that MSBuild shows as an error of the build.
    Console.Error.WriteLine($"{args[0]} : error LORA001: {e.Message}");
    return 1;
}
